/// Executors and requests for tests, on the tiny models of test/goldens.
#pragma once

#include "executor/model.h"
#include "testing/testData.h"

#include "tensorrt_llm/executor/executor.h"

#include <chrono>
#include <filesystem>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>

namespace embedded::testing {

namespace texec = tensorrt_llm::executor;

/// End id of every test model.
constexpr texec::TokenIdType kEND_ID = 1;

struct TestConfig {
    bool gatherGenerationLogits = false;
    bool normalizeLogProbs = false;
    SizeType32 threads = 1;
    SizeType32 maxBeamWidth = 1;
    std::optional<SizeType32> maxBatchSize = std::nullopt;
    std::optional<SizeType32> maxNumTokens = std::nullopt;
    std::optional<SizeType32> maxQueueSize = std::nullopt;
    std::optional<SizeType32> maxCacheTokens = std::nullopt;
    texec::CapacitySchedulerPolicy policy = texec::CapacitySchedulerPolicy::kGUARANTEED_NO_EVICT;
    std::string weights = "auto";
    SizeType32 tokensPerBlock = 32;
    SizeType32 encoderTokenBudget = 256;
    bool reuseEncoder = true;
    SizeType32 requestStats = 0;
    texec::PeftCacheConfig peftCache = texec::PeftCacheConfig();
    SizeType32 iterationStats = texec::ExecutorConfig::kDefaultIterStatsMaxIterations;
};

inline texec::ExecutorConfig executorConfig(TestConfig const& test) {
    texec::KvCacheConfig kvCache(false);
    kvCache.setCrossKvCacheFraction(0.5F);
    kvCache.setMaxTokens(test.maxCacheTokens);
    texec::ExecutorConfig config(test.maxBeamWidth);
    config.setKvCacheConfig(kvCache);
    config.setSchedulerConfig(texec::SchedulerConfig(test.policy));
    config.setGatherGenerationLogits(test.gatherGenerationLogits);
    config.setNormalizeLogProbs(test.normalizeLogProbs);
    config.setMaxQueueSize(test.maxQueueSize);
    config.setPeftCacheConfig(test.peftCache);
    config.setRequestStatsMaxIterations(test.requestStats);
    config.setIterStatsMaxIterations(test.iterationStats);
    if (test.maxBatchSize) {
        config.setMaxBatchSize(*test.maxBatchSize);
    }
    if (test.maxNumTokens) {
        config.setMaxNumTokens(*test.maxNumTokens);
    }
    return config;
}

inline EmbeddedOptions options(TestConfig const& test) {
    return {test.threads, test.weights, test.tokensPerBlock, test.encoderTokenBudget, test.reuseEncoder};
}

inline std::unique_ptr<texec::Executor> makeExecutor(std::filesystem::path const& folder, TestConfig const& test = {}) {
    auto const encoder = std::make_shared<texec::Model>(folder / "encoder", Component::kENCODER, options(test));
    auto const decoder = std::make_shared<texec::Model>(folder / "decoder", Component::kDECODER, options(test));
    return std::make_unique<texec::Executor>(encoder, decoder, executorConfig(test));
}

/// The golden model that tests of behaviour run.
inline std::filesystem::path model() {
    return goldens() / "t5-v11";
}

/// A request for `maxTokens` tokens with log-probabilities; ends at the end id only if asked to.
inline texec::Request makeRequest(texec::VecTokens const& input, SizeType32 maxTokens, bool streaming = false,
    std::optional<texec::TokenIdType> endId = std::nullopt) {
    texec::OutputConfig output;
    output.returnLogProbs = true;
    output.excludeInputFromOutput = true;
    texec::Request request({0}, maxTokens, streaming, texec::SamplingConfig(), output, endId);
    request.setEncoderInputTokenIds(input);
    return request;
}

/// Waits for the end of a request; its tokens and log-probabilities, streamed or not.
inline texec::Result finish(texec::Executor& executor, texec::IdType id) {
    texec::VecTokens tokens;
    while (true) {
        for (auto const& response : executor.awaitResponses(id, std::chrono::seconds(10))) {
            EXPECT_FALSE(response.hasError()) << response.getErrorMsg();
            auto result = response.getResult();
            tokens.insert(tokens.end(), result.outputTokenIds[0].begin(), result.outputTokenIds[0].end());
            if (result.isFinal) {
                result.outputTokenIds[0] = tokens;
                return result;
            }
        }
    }
}

} // namespace embedded::testing
