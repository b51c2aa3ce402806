/// RawResponseBatch of lib/raw-response.ts: many responses as flat arrays, so that one crossing carries them all.
#pragma once

#include "napiSetup.h"
#include "responseExtract.h"

#include <tensorrt_llm/executor/executor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace trtllm_node {

/// Responses packed away from the JavaScript thread; the fields are RawResponseBatch's. No JavaScript value inside,
/// so it may be filled on any thread.
class PackedResponses {
public:
    /// `id`: of the request, also where the response comes from one of its children. `bringsNewTokens`: it has only
    /// what came since the one before, and is merged with it if that was the last one appended.
    void append(tensorrt_llm::executor::IdType id, tensorrt_llm::executor::Response const& response,
        ResponseExtract extract, bool bringsNewTokens);
    void appendError(tensorrt_llm::executor::IdType id, std::string message);
    [[nodiscard]] bool empty() const { return mIds.empty(); }
    /// On the JavaScript thread.
    [[nodiscard]] Napi::Object toJs(Napi::Env env) const;

private:
    [[nodiscard]] bool continuesLast(
        tensorrt_llm::executor::IdType id, tensorrt_llm::executor::Result const& result) const;
    void merge(tensorrt_llm::executor::Response const& response);
    void appendResult(tensorrt_llm::executor::Result const& result);
    void appendRow(tensorrt_llm::executor::Result const& result, std::size_t row);
    void appendTimings(tensorrt_llm::executor::Response const& response);
    void appendScores(std::vector<float> const& scores);
    void appendTensors(std::vector<NamedTensor> tensors);
    [[nodiscard]] Napi::Value tensorsToJs(Napi::Env env) const;
    void appendHead(tensorrt_llm::executor::IdType id, std::uint8_t flags, tensorrt_llm::executor::SizeType32 index);

    std::vector<double> mIds;
    std::vector<std::uint8_t> mFlags;
    std::vector<std::uint32_t> mSequenceIndices;
    std::vector<std::uint32_t> mRowOffsets{0};
    std::vector<std::uint8_t> mFinishReasons;
    std::vector<std::uint32_t> mTokenOffsets{0};
    std::vector<std::int32_t> mTokens;
    std::vector<std::uint32_t> mLogProbOffsets{0};
    std::vector<float> mLogProbs;
    std::vector<float> mCumLogProbs;
    std::vector<double> mTimings; ///< 7 for each response
    std::vector<std::int32_t> mStable;
    std::vector<std::string> mErrors;

    struct TensorOfResponse {
        std::uint32_t response;
        NamedTensor tensor;
    };

    std::vector<TensorOfResponse> mTensors;
};

/// Whether no response of this request follows.
[[nodiscard]] bool isLast(tensorrt_llm::executor::Response const& response);

} // namespace trtllm_node
