/// Bad requests through the whole Executor: each fails alone, by name, while another runs on.
#include "testing/testExecutor.h"

#include <gtest/gtest.h>

namespace embedded {
namespace {

namespace texec = tensorrt_llm::executor;
using namespace std::chrono_literals;
using testing::finish;
using testing::makeExecutor;
using testing::makeRequest;
using testing::model;

std::string errorResponse(texec::Executor& executor, texec::Request const& request) {
    auto const id = executor.enqueueRequest(request);
    auto const responses = executor.awaitResponses(id, 10s);
    return !responses.empty() && responses[0].hasError() ? responses[0].getErrorMsg() : "";
}

struct BadRequest {
    char const* name;
    void (*change)(texec::Request&);
    char const* message;
};

class BadRequests : public ::testing::TestWithParam<BadRequest> {};

TEST_P(BadRequests, FailAloneAndNameFieldValueAndLimit) {
    auto const executor = makeExecutor(model(), {.maxBeamWidth = 2, .maxNumTokens = 100, .maxCacheTokens = 64});
    auto const good = executor->enqueueRequest(makeRequest({5}, 30));
    auto request = makeRequest({5}, 4);
    GetParam().change(request);
    auto const error = errorResponse(*executor, request);
    EXPECT_NE(error.find(GetParam().message), std::string::npos) << error;
    EXPECT_EQ(finish(*executor, good).outputTokenIds[0].size(), 30U);
}

INSTANTIATE_TEST_SUITE_P(All, BadRequests,
    ::testing::Values(BadRequest{"emptyInput", [](auto& r) { r.setEncoderInputTokenIds({}); },
                          "length of encoderInputTokenIds must be in [1, 100], got 0"},
        BadRequest{"longInput", [](auto& r) { r.setEncoderInputTokenIds(texec::VecTokens(101, 5)); }, "got 101"},
        BadRequest{"negativeId",
            [](auto& r) {
                r.setEncoderInputTokenIds({5, -1});
            },
            "encoderInputTokenIds[1] must be"},
        BadRequest{"idBeyondVocabulary", [](auto& r) { r.setEncoderInputTokenIds({1 << 20}); }, "got 1048576"},
        BadRequest{"endId", [](auto& r) { r.setEndId(1 << 20); }, "endId must be in [-1, "},
        BadRequest{"beams", [](auto& r) { r.setSamplingConfig(texec::SamplingConfig(3)); },
            "samplingConfig.beamWidth must be in [1, 2], got 3"},
        BadRequest{"samples",
            [](auto& r) {
                texec::SamplingConfig sampling;
                sampling.setNumReturnSequences(65);
                r.setSamplingConfig(sampling);
            },
            "samplingConfig.numReturnSequences must be in [1, 64], got 65"},
        BadRequest{"stopWords", [](auto& r) { r.setStopWords({{1 << 20}}); }, "stopWords"},
        BadRequest{"batchedProcessor",
            [](auto& r) { r.setLogitsPostProcessorName(texec::Request::kBatchedPostProcessorName); },
            "needs processorBatched"},
        BadRequest{"lora", [](auto& r) { r.setLoraConfig(texec::LoraConfig(1)); }, "[ERR_LORA_NOT_FOUND] LoRA task 1"},
        BadRequest{"maskShape",
            [](auto& r) {
                r.setCrossAttentionMask(texec::Tensor::cpu(texec::DataType::kBOOL, {1, 99}));
            },
            "crossAttentionMask must be BOOL [rows, "},
        BadRequest{"emptyMask",
            [](auto& r) {
                auto mask = texec::Tensor::cpu(texec::DataType::kBOOL, {2, std::ssize(*r.getEncoderInputTokenIds())});
                std::fill_n(static_cast<bool*>(mask.getData()), mask.getSize(), false);
                *static_cast<bool*>(mask.getData()) = true;
                r.setCrossAttentionMask(mask);
            },
            "crossAttentionMask must have a true value in each row, row 1 has none"},
        BadRequest{"tooManyBlocks", [](auto& r) { r.setEncoderInputTokenIds(texec::VecTokens(90, 5)); },
            "needs 3 blocks of the cross-attention cache, which has 2"},
        BadRequest{"logits", [](auto& r) { r.setOutputConfig(texec::OutputConfig(false, false, true)); },
            "gatherGenerationLogits"}),
    [](auto const& test) { return test.param.name; });

} // namespace
} // namespace embedded
