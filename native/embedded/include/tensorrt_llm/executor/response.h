#pragma once

#include "tensorrt_llm/executor/tensor.h"
#include "tensorrt_llm/executor/types.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tensorrt_llm::executor {

/// A tensor asked for through OutputConfig::additionalModelOutputs.
struct AdditionalOutput {
    AdditionalOutput(std::string name, Tensor output);
    AdditionalOutput(AdditionalOutput const& other) = default;
    AdditionalOutput(AdditionalOutput&& other) noexcept = default;
    AdditionalOutput& operator=(AdditionalOutput const& other) = default;
    AdditionalOutput& operator=(AdditionalOutput&& other) noexcept = default;
    ~AdditionalOutput() = default;

    std::string name;
    Tensor output;
};

/// What one response of a request brings.
///
/// NVIDIA's struct has two more fields, specDecFastLogitsInfo (after generationLogits) and contextPhaseParams (after
/// finishReasons). They serve speculative decoding across executors and disaggregated serving, which this runtime does
/// not have, nor their types: read and write fields by name, never by aggregate initialisation.
struct Result {
    bool isFinal{false}; ///< last of the whole request
    /// [returned beams][tokens]. Without streaming: decoder prompt (unless excluded) and everything generated. With
    /// streaming: never the prompt; the new tokens, or all generated ones with returnAllGeneratedTokens. The last
    /// streaming result may bring no token.
    BeamTokens outputTokenIds;
    std::optional<VecLogProbs> cumLogProbs;           ///< [beams]
    std::optional<std::vector<VecLogProbs>> logProbs; ///< [beams][generated tokens]
    std::optional<Tensor> contextLogits;              ///< [prompt length, vocabulary]
    /// Without streaming [beams, maxTokens, vocabulary], with streaming [tokens, beams, vocabulary].
    std::optional<Tensor> generationLogits;
    std::optional<Tensor> encoderOutput;     ///< [encoder length, hidden size]
    std::vector<FinishReason> finishReasons; ///< [beams]
    SizeType32 decodingIter{0};              ///< decoder steps so far
    float avgDecodedTokensPerIter{0.0F};     ///< 1 without speculative decoding
    SizeType32 sequenceIndex{0};             ///< which of numReturnSequences samples; 0 in beam search
    bool isSequenceFinal{false};             ///< last of this sequence
    std::optional<RequestPerfMetrics> requestPerfMetrics;
    std::vector<AdditionalOutput> additionalOutputs;
};

/// A Result of a request, or the error that ended it. Copies are deep (tensors share their buffers). A moved-from
/// Response may only be assigned, copied or destroyed.
class Response {
public:
    /// The request failed; this is its last response. Throws TllmException if errorMsg is empty.
    Response(IdType requestId, std::string errorMsg, std::optional<IdType> clientId = std::nullopt);
    Response(IdType requestId, Result result, std::optional<IdType> clientId = std::nullopt);

    Response(Response const& other);
    Response(Response&& other) noexcept;
    Response& operator=(Response const& other);
    Response& operator=(Response&& other) noexcept;
    ~Response();

    [[nodiscard]] IdType getRequestId() const;
    /// What Request::setClientId() was given.
    [[nodiscard]] std::optional<IdType> getClientId() const;
    [[nodiscard]] bool hasError() const;
    /// Throws TllmException if there is no error. Lives as long as the Response.
    [[nodiscard]] std::string const& getErrorMsg() const;
    /// Throws TllmException if there is an error. Lives as long as the Response.
    [[nodiscard]] Result const& getResult() const;

private:
    /// The door for what has no place in NVIDIA's API; our runtime alone defines it.
    friend struct ResponseAccess;

    struct Impl;
    std::unique_ptr<Impl> mImpl;
};

} // namespace tensorrt_llm::executor
