/// What a request can ask of decoding beyond its tokens: processors, tensors, several sequences, streamed beams.
#include "executor/responseAccess.h"
#include "testing/testExecutor.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <mutex>
#include <set>

namespace embedded {
namespace {

namespace texec = tensorrt_llm::executor;
using testing::finish;
using testing::kEND_ID;
using testing::makeExecutor;
using testing::makeRequest;
using testing::model;

texec::Request withBeams(SizeType32 width, SizeType32 maxTokens, bool streaming = false) {
    auto request = makeRequest({5, 9, 13}, maxTokens, streaming, kEND_ID);
    request.setSamplingConfig(texec::SamplingConfig(width));
    return request;
}

std::vector<texec::Response> allResponses(texec::Executor& executor, texec::Request const& request) {
    auto const id = executor.enqueueRequest(request);
    std::vector<texec::Response> all;
    while (all.empty() || !(all.back().hasError() || all.back().getResult().isFinal)) {
        auto const some = executor.awaitResponses(id);
        all.insert(all.end(), some.begin(), some.end());
    }
    return all;
}

std::vector<float> values(texec::Tensor const& tensor) {
    auto const* const begin = static_cast<float const*>(tensor.getData());
    return {begin, begin + tensor.getSize()};
}

/// Forces one token by the logits.
auto forcing(texec::TokenIdType token) {
    return [token](auto, texec::Tensor& logits, auto const& tokens, auto const&, auto) {
        auto const vocabSize = logits.getSize() / tokens.size();
        for (std::size_t beam = 0; beam < tokens.size(); ++beam) {
            static_cast<float*>(logits.getData())[beam * vocabSize + static_cast<std::size_t>(token)] = 1e6F;
        }
    };
}

TEST(PostProcessor, OfARequestChangesItsLogitsAlone) {
    auto const executor = makeExecutor(model());
    auto const plain = finish(*executor, executor->enqueueRequest(makeRequest({5, 9}, 6)));
    auto request = makeRequest({5, 9}, 6);
    request.setLogitsPostProcessor(forcing(42));
    auto const ids = executor->enqueueRequests({request, makeRequest({5, 9}, 6)});
    EXPECT_EQ(finish(*executor, ids[0]).outputTokenIds[0], texec::VecTokens(6, 42));
    EXPECT_EQ(finish(*executor, ids[1]).outputTokenIds[0], plain.outputTokenIds[0]);
}

TEST(PostProcessor, ThatThrowsFailsItsRequestAlone) {
    auto const executor = makeExecutor(model());
    auto request = makeRequest({5, 9}, 6);
    request.setLogitsPostProcessor(
        [](auto, auto&, auto const&, auto const&, auto) { throw std::runtime_error("no such luck"); });
    auto const ids = executor->enqueueRequests({request, makeRequest({5, 9}, 6)});
    auto const responses = executor->awaitResponses(ids[0]);
    ASSERT_TRUE(responses.at(0).hasError());
    EXPECT_EQ(responses[0].getErrorMsg(), "[ERR_RUNTIME] no such luck");
    EXPECT_EQ(finish(*executor, ids[1]).outputTokenIds[0].size(), 6U);
}

/// An executor with processors by name and a batched one that notes the ids of each call.
struct Processors {
    std::mutex mutex;
    std::vector<std::vector<texec::IdType>> calls;
    std::unique_ptr<texec::Executor> executor;

    Processors() {
        texec::LogitsPostProcessorConfig config;
        config.setProcessorMap({{"force", forcing(42)}});
        config.setProcessorBatched(
            [this](auto const& ids, auto& logits, auto const& tokens, auto const& stream, auto const& clientIds) {
                std::lock_guard const lock(mutex);
                calls.push_back(ids);
                for (std::size_t i = 0; i < ids.size(); ++i) {
                    forcing(static_cast<texec::TokenIdType>(*clientIds[i]))(
                        ids[i], logits[i], tokens[i].get(), stream, clientIds[i]);
                }
            });
        testing::TestConfig const test{.maxBeamWidth = 4};
        auto whole = testing::executorConfig(test);
        whole.setLogitsPostProcessorConfig(config);
        auto const component = [&](char const* name, Component kind) {
            return std::make_shared<texec::Model>(model() / name, kind, testing::options(test));
        };
        executor = std::make_unique<texec::Executor>(
            component("encoder", Component::kENCODER), component("decoder", Component::kDECODER), whole);
    }
};

TEST(PostProcessor, ByNameOrOnceForAllThatAskForTheBatchedOne) {
    Processors processors;
    auto& executor = *processors.executor;
    std::vector<texec::Request> requests{makeRequest({5}, 4), makeRequest({6}, 4), makeRequest({7}, 4)};
    requests[0].setLogitsPostProcessorName("force");
    for (std::size_t i = 1; i < 3; ++i) {
        requests[i].setLogitsPostProcessorName(texec::Request::kBatchedPostProcessorName);
        requests[i].setClientId(50 + i);
    }
    auto const ids = executor.enqueueRequests(requests);
    EXPECT_EQ(finish(executor, ids[0]).outputTokenIds[0], texec::VecTokens(4, 42));
    EXPECT_EQ(finish(executor, ids[1]).outputTokenIds[0], texec::VecTokens(4, 51));
    EXPECT_EQ(finish(executor, ids[2]).outputTokenIds[0], texec::VecTokens(4, 52));
    EXPECT_EQ(processors.calls, (std::vector<std::vector<texec::IdType>>(4, {ids[1], ids[2]})));
}

TEST(PostProcessor, UnknownNameIsRefusedWhenEnqueued) {
    Processors processors;
    auto request = makeRequest({5}, 4);
    request.setLogitsPostProcessorName("nobody");
    EXPECT_THROW(std::ignore = processors.executor->enqueueRequest(request), std::exception);
    request.setLogitsPostProcessorName("force");
    request.setLogitsPostProcessor(forcing(1));
    EXPECT_TRUE(allResponses(*processors.executor, request).at(0).hasError()) << "not both";
}

TEST(ContextLogits, EqualTheGenerationLogitsOfTheSameTokens) {
    // More prompt rows than one call of the decoder's projection takes.
    auto const executor = makeExecutor(model(), {.gatherGenerationLogits = true, .maxBatchSize = 3});
    auto request = makeRequest({5, 9, 13}, 7);
    auto output = request.getOutputConfig();
    output.returnGenerationLogits = true;
    request.setOutputConfig(output);
    auto const generated = finish(*executor, executor->enqueueRequest(request));

    auto prompt = texec::VecTokens{0};
    auto const& tokens = generated.outputTokenIds[0];
    prompt.insert(prompt.end(), tokens.begin(), tokens.end() - 1);
    texec::OutputConfig contextOutput;
    contextOutput.returnContextLogits = true;
    texec::Request scored(prompt, 1, false, texec::SamplingConfig(), contextOutput);
    scored.setEncoderInputTokenIds({5, 9, 13});
    auto const result = finish(*executor, executor->enqueueRequest(scored));
    ASSERT_EQ(result.contextLogits->getShape()[0], 7);
    EXPECT_EQ(values(*result.contextLogits), values(*generated.generationLogits));
}

TEST(GenerationLogits, OfBeamsFollowEachHypothesis) {
    auto const executor = makeExecutor(model(), {.gatherGenerationLogits = true, .maxBeamWidth = 3});
    auto request = withBeams(3, 6);
    request.setEndId(-1);
    auto output = request.getOutputConfig();
    output.returnGenerationLogits = true;
    request.setOutputConfig(output);
    auto const result = finish(*executor, executor->enqueueRequest(request));
    ASSERT_EQ(result.generationLogits->getShape()[0], 3);
    ASSERT_EQ(result.generationLogits->getShape()[1], 6);
    auto const logits = values(*result.generationLogits);
    auto const vocabSize = logits.size() / 18;
    for (std::size_t beam = 0; beam < 3; ++beam) {
        for (std::size_t step = 0; step < 6; ++step) {
            std::vector<double> row(logits.begin() + static_cast<std::ptrdiff_t>((beam * 6 + step) * vocabSize),
                logits.begin() + static_cast<std::ptrdiff_t>((beam * 6 + step + 1) * vocabSize));
            double sum = 0;
            for (auto const value : row) {
                sum += std::exp(value);
            }
            auto const token = static_cast<std::size_t>(result.outputTokenIds[beam][step]);
            EXPECT_NEAR((*result.logProbs)[beam][step], row[token] - std::log(sum), 1e-4) << beam << ", " << step;
        }
    }
}

TEST(Samples, CarryTheRequestsIdAndEndTogether) {
    auto const executor = makeExecutor(model());
    auto request = makeRequest({5, 9}, 5);
    texec::SamplingConfig sampling;
    sampling.setNumReturnSequences(4);
    sampling.setTopK(50);
    sampling.setTemperature(3.0F);
    request.setSamplingConfig(sampling);
    auto const id = executor->enqueueRequest(request);
    EXPECT_EQ(executor->enqueueRequest(makeRequest({5}, 1)), id + 4) << "three ids belong to the further samples";
    std::set<texec::VecTokens> distinct;
    std::set<SizeType32> indices;
    for (bool open = true; open;) {
        for (auto const& response : executor->awaitResponses(id)) {
            ASSERT_FALSE(response.hasError()) << response.getErrorMsg();
            auto const& result = response.getResult();
            EXPECT_EQ(response.getRequestId(), id);
            EXPECT_TRUE(result.isSequenceFinal);
            distinct.insert(result.outputTokenIds.at(0));
            indices.insert(result.sequenceIndex);
            open = !result.isFinal;
        }
    }
    EXPECT_EQ(indices, (std::set<SizeType32>{0, 1, 2, 3}));
    EXPECT_EQ(distinct.size(), 4U);
}

TEST(Beams, StreamTheBestSoFarWithAPrefixThatStays) {
    auto const executor = makeExecutor(model(), {.maxBeamWidth = 5});
    auto const whole = allResponses(*executor, withBeams(5, 40)).at(0).getResult();
    texec::VecTokens stable;
    std::size_t numStableEarly = 0;
    texec::VecTokens last;
    for (auto const& response : allResponses(*executor, withBeams(5, 40, true))) {
        ASSERT_FALSE(response.hasError()) << response.getErrorMsg();
        last = response.getResult().outputTokenIds.at(0);
        auto const length = static_cast<std::size_t>(*texec::ResponseAccess::stableLength(response));
        ASSERT_GE(length, stable.size());
        ASSERT_LE(length, last.size());
        ASSERT_TRUE(std::equal(stable.begin(), stable.end(), last.begin()));
        stable.assign(last.begin(), last.begin() + static_cast<std::ptrdiff_t>(length));
        numStableEarly = response.getResult().isFinal ? numStableEarly : length;
    }
    EXPECT_EQ(last, whole.outputTokenIds.at(0));
    EXPECT_EQ(stable, last) << "everything is stable at the end";
    EXPECT_GT(numStableEarly, 0U);
}

TEST(Beams, ReturnAsManyAsAskedForBestFirst) {
    auto const executor = makeExecutor(model(), {.maxBeamWidth = 4});
    auto request = withBeams(4, 10);
    auto const all = finish(*executor, executor->enqueueRequest(request));
    ASSERT_EQ(all.outputTokenIds.size(), 4U);
    auto sampling = request.getSamplingConfig();
    sampling.setNumReturnSequences(2);
    request.setSamplingConfig(sampling);
    auto const two = finish(*executor, executor->enqueueRequest(request));
    ASSERT_EQ(two.outputTokenIds.size(), 2U);
    EXPECT_EQ(two.outputTokenIds[1], all.outputTokenIds[1]);
    EXPECT_TRUE(std::ranges::is_sorted(*all.cumLogProbs, std::greater())) << "without a length penalty";
}

TEST(Beams, CancelledGiveTheBestSoFar) {
    auto const executor = makeExecutor(model(), {.maxBeamWidth = 3});
    auto request = withBeams(3, 4000);
    request.setEndId(-1);
    request.setAllottedTimeMs(std::chrono::milliseconds(50));
    auto const result = finish(*executor, executor->enqueueRequest(request));
    EXPECT_EQ(result.finishReasons, std::vector(3, texec::FinishReason::kTIMED_OUT));
    EXPECT_GT(result.outputTokenIds[0].size(), 0U);
}

} // namespace
} // namespace embedded
