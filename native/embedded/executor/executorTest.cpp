#include "executor/executorImpl.h"
#include "testing/testData.h"
#include "testing/testExecutor.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <numeric>
#include <random>
#include <thread>

namespace embedded {
namespace {

using namespace std::chrono_literals;
using testing::errorOf;
using testing::executorConfig;
using testing::finish;
using testing::makeExecutor;
using testing::makeRequest;
using testing::model;
using testing::TestConfig;
using texec::FinishReason;

texec::VecTokens input(unsigned seed, SizeType32 length) {
    std::mt19937 random(seed);
    texec::VecTokens tokens(static_cast<std::size_t>(length));
    std::ranges::generate(tokens, [&] { return static_cast<texec::TokenIdType>(2 + random() % 80); });
    return tokens;
}

EngineSnapshot snapshot(texec::Executor& executor) {
    return texec::ExecutorAccess::impl(executor).engine().snapshot();
}

TEST(Executor, IdsCountFromOne) {
    auto const executor = makeExecutor(model());
    EXPECT_EQ(executor->enqueueRequest(makeRequest({5}, 1)), 1U);
    EXPECT_EQ(
        executor->enqueueRequests({makeRequest({5}, 1), makeRequest({5}, 1)}), (std::vector<texec::IdType>{2, 3}));
}

TEST(Executor, StreamsOneTokenAStepThatAddUpToTheWhole) {
    auto const executor = makeExecutor(model());
    auto const whole = finish(*executor, executor->enqueueRequest(makeRequest(input(1, 9), 40)));
    ASSERT_EQ(whole.outputTokenIds[0].size(), 40U);
    EXPECT_EQ(whole.finishReasons[0], FinishReason::kLENGTH);
    auto const streamed = finish(*executor, executor->enqueueRequest(makeRequest(input(1, 9), 40, true)));
    EXPECT_EQ(streamed.outputTokenIds, whole.outputTokenIds);
    EXPECT_EQ(streamed.logProbs, whole.logProbs) << "the last response carries the complete list";
    EXPECT_EQ(streamed.decodingIter, 40);
}

TEST(Executor, EchoesThePromptUnlessExcluded) {
    auto const executor = makeExecutor(model());
    auto request = makeRequest({5, 6}, 3);
    request.setOutputConfig(texec::OutputConfig());
    request.setClientId(77);
    auto const responses = executor->awaitResponses(executor->enqueueRequest(request), 10s);
    ASSERT_EQ(responses.size(), 1U);
    EXPECT_EQ(responses[0].getClientId(), 77U);
    auto const& tokens = responses[0].getResult().outputTokenIds[0];
    EXPECT_EQ(tokens.size(), 4U);
    EXPECT_EQ(tokens[0], 0);
    EXPECT_FALSE(responses[0].getResult().logProbs);
}

/// Log-probabilities and tokens of each request when all run in the order and at the times that `submit` chooses.
using Outcome = std::pair<texec::VecTokens, texec::VecLogProbs>;

Outcome outcome(texec::Executor& executor, texec::IdType id) {
    auto result = finish(executor, id);
    return {result.outputTokenIds[0], result.logProbs->at(0)};
}

TEST(Executor, ARequestGivesTheSameBitsAloneAndInAnyBatchOnAnyNumberOfThreads) {
    constexpr unsigned kREQUESTS = 64;
    std::vector<texec::Request> requests;
    for (unsigned i = 0; i < kREQUESTS; ++i) {
        requests.push_back(
            makeRequest(input(i, 1 + static_cast<SizeType32>(i * 7 % 90)), 1 + static_cast<SizeType32>(i % 45)));
    }
    std::vector<Outcome> alone;
    auto const first = makeExecutor(model(), {.threads = 1});
    for (auto const& request : requests) {
        alone.push_back(outcome(*first, first->enqueueRequest(request)));
        EXPECT_TRUE(std::ranges::all_of(alone.back().second, [](float p) { return p < 0; }));
    }
    std::vector<std::size_t> order(kREQUESTS);
    std::iota(order.begin(), order.end(), 0U);
    for (SizeType32 const threads : {1, 2}) {
        auto const executor = makeExecutor(model(), {.threads = threads});
        for (int round = 0; round < 3; ++round) {
            std::map<std::size_t, texec::IdType> ids;
            for (auto const i : order) {
                ids[i] = executor->enqueueRequest(requests[i]);
                std::this_thread::sleep_for(std::chrono::microseconds(round * 50)); // joins mid-flight
            }
            for (auto const& [i, id] : ids) {
                EXPECT_EQ(outcome(*executor, id), alone[i]) << "request " << i << ", threads " << threads;
            }
            std::ranges::shuffle(order, std::mt19937(static_cast<unsigned>(round)));
        }
    }
}

TEST(Executor, NormalizedLogProbsOfGreedyDecodingAreZeroButTheirSumIsNot) {
    auto const executor = makeExecutor(model(), {.normalizeLogProbs = true});
    auto const result = finish(*executor, executor->enqueueRequest(makeRequest({5, 6}, 4)));
    EXPECT_EQ(result.logProbs->at(0), texec::VecLogProbs(4, 0.0F));
    EXPECT_LT(result.cumLogProbs->at(0), 0.0F);
}

TEST(Executor, CancelEndsARequestAndFreesItsBlocks) {
    auto const executor = makeExecutor(model());
    auto const id = executor->enqueueRequest(makeRequest(input(1, 40), 4000, true));
    ASSERT_FALSE(executor->awaitResponses(id, 10s).empty());
    EXPECT_GE(snapshot(*executor).usedSelfBlocks, 1);
    EXPECT_EQ(snapshot(*executor).usedCrossBlocks, 2);
    executor->cancelRequest(id);
    auto const result = finish(*executor, id);
    EXPECT_EQ(result.finishReasons[0], FinishReason::kCANCELLED);
    EXPECT_EQ(snapshot(*executor).usedSelfBlocks, 0);
    EXPECT_EQ(snapshot(*executor).usedCrossBlocks, 0);
    executor->cancelRequest(id);
    executor->cancelRequest(999);
}

TEST(Executor, CancelsAQueuedRequestAtOnce) {
    auto const executor = makeExecutor(model(), {.maxBatchSize = 1});
    auto const running = executor->enqueueRequest(makeRequest(input(1, 40), 4000, true));
    auto const queued = executor->enqueueRequest(makeRequest({5}, 4));
    executor->cancelRequest(queued);
    EXPECT_EQ(finish(*executor, queued).finishReasons[0], FinishReason::kCANCELLED);
    executor->cancelRequest(running);
    EXPECT_EQ(finish(*executor, running).finishReasons[0], FinishReason::kCANCELLED);
}

TEST(Executor, AllottedTimeEndsARequestWithWhatItHasGenerated) {
    auto const executor = makeExecutor(model());
    auto const whole = finish(*executor, executor->enqueueRequest(makeRequest({5}, 4000))).outputTokenIds[0];
    auto request = makeRequest({5}, 4000);
    request.setAllottedTimeMs(20ms);
    auto const result = finish(*executor, executor->enqueueRequest(request));
    EXPECT_EQ(result.finishReasons[0], FinishReason::kTIMED_OUT);
    auto const& tokens = result.outputTokenIds[0];
    EXPECT_FALSE(tokens.empty());
    EXPECT_LT(tokens.size(), whole.size());
    EXPECT_TRUE(std::equal(tokens.begin(), tokens.end(), whole.begin()));
    EXPECT_EQ(result.logProbs->at(0).size(), tokens.size());
}

TEST(Executor, HigherPriorityStartsFirst) {
    auto const executor = makeExecutor(model(), {.maxBatchSize = 1});
    texec::OutputConfig output;
    output.returnPerfMetrics = true;
    auto low = makeRequest({5}, 20);
    auto high = makeRequest({6}, 20);
    low.setPriority(0.1F);
    high.setPriority(0.9F);
    low.setOutputConfig(output);
    high.setOutputConfig(output);
    auto const ids = executor->enqueueRequests({makeRequest(input(1, 40), 400), low, high});
    auto const started = [&](texec::IdType id) {
        return finish(*executor, id).requestPerfMetrics->timingMetrics.firstScheduledTime;
    };
    EXPECT_GT(started(ids[1]), started(ids[2]));
}

TEST(Executor, MoreRequestsThanBlocksWaitAndAllFinish) {
    for (auto const policy :
        {texec::CapacitySchedulerPolicy::kGUARANTEED_NO_EVICT, texec::CapacitySchedulerPolicy::kSTATIC_BATCH}) {
        auto const executor = makeExecutor(model(), {.maxCacheTokens = 96, .policy = policy});
        auto const expected = finish(*executor, executor->enqueueRequest(makeRequest(input(3, 20), 40)));
        std::vector<texec::Request> const requests(20, makeRequest(input(3, 20), 40));
        for (auto const id : executor->enqueueRequests(requests)) {
            EXPECT_EQ(finish(*executor, id).outputTokenIds, expected.outputTokenIds);
        }
        EXPECT_EQ(snapshot(*executor).usedSelfBlocks, 0);
    }
}

TEST(Executor, MaxTokensIsClampedToTheLongestSequence) {
    auto const executor = makeExecutor(model());
    auto const result = finish(*executor, executor->enqueueRequest(makeRequest({5}, 1 << 20)));
    EXPECT_EQ(result.outputTokenIds[0].size(), 4095U);
    EXPECT_EQ(result.finishReasons[0], FinishReason::kLENGTH);
}

TEST(Executor, AFullQueueRefusesTheWholeBatch) {
    auto const executor = makeExecutor(model(), {.maxBatchSize = 1, .maxQueueSize = 2});
    std::vector<texec::Request> const three(3, makeRequest({5}, 4));
    auto const error = errorOf([&] { (void)executor->enqueueRequests(three); });
    EXPECT_TRUE(error.starts_with("[ERR_QUEUE_FULL] Maximum queue size of 2")) << error;
    EXPECT_EQ(finish(*executor, executor->enqueueRequest(three[0])).outputTokenIds[0].size(), 4U);
}

TEST(Executor, AwaitingAnEndedRequestIsAnErrorAndAnUnknownOneTimesOut) {
    auto const executor = makeExecutor(model());
    auto const id = executor->enqueueRequest(makeRequest({5}, 1));
    (void)finish(*executor, id);
    auto const again = executor->awaitResponses(id);
    ASSERT_EQ(again.size(), 1U);
    EXPECT_NE(again[0].getErrorMsg().find("has already been processed and was terminated."), std::string::npos);
    EXPECT_TRUE(executor->awaitResponses(12345, 1ms).empty());
    EXPECT_TRUE(executor->awaitResponses(1ms).empty());
}

TEST(Executor, ShutdownDrainsWakesWaitersAndRefusesCalls) {
    auto const executor = makeExecutor(model());
    (void)executor->enqueueRequest(makeRequest(input(1, 40), 200));
    std::thread waiter([&] {
        // Either the response of the request or, woken by the shutdown, nothing.
        try {
            while (!executor->awaitResponses().empty()) {
            }
        } catch (std::exception const&) {
        }
    });
    std::this_thread::sleep_for(5ms);
    executor->shutdown();
    waiter.join();
    executor->shutdown();
    EXPECT_FALSE(executor->canEnqueueRequests());
    auto const error = errorOf([&] { (void)executor->enqueueRequest(makeRequest({5}, 1)); });
    EXPECT_EQ(error, "[ERR_CLOSED] Shutdown called");
    EXPECT_EQ(errorOf([&] { (void)executor->awaitResponses(1ms); }), "[ERR_CLOSED] Shutdown called");
}

TEST(Executor, ClosesWithManyRequestsInFlight) {
    auto const executor = makeExecutor(model());
    (void)executor->enqueueRequests(std::vector<texec::Request>(200, makeRequest(input(2, 30), 100, true)));
}

TEST(Executor, RefusesConfigurationsByName) {
    auto const open = [](auto change) {
        auto config = executorConfig({});
        change(config);
        return errorOf([&] {
            texec::Executor const executor(
                model() / "encoder", model() / "decoder", texec::ModelType::kENCODER_DECODER, config);
        });
    };
    EXPECT_NE(open([](auto& c) { c.setKvCacheConfig(texec::KvCacheConfig()); }).find("crossKvCacheFraction"),
        std::string::npos);
    EXPECT_NE(open([](auto& c) { c.setBatchingType(texec::BatchingType::kSTATIC); }).find("kSTATIC_BATCH"),
        std::string::npos);
    EXPECT_NE(open([](auto& c) {
        c.setSchedulerConfig(texec::SchedulerConfig(texec::CapacitySchedulerPolicy::kMAX_UTILIZATION));
    }).find("MAX_UTILIZATION"),
        std::string::npos);
    EXPECT_EQ(open([](auto&) {}), "");
}

TEST(Executor, MissingFoldersAreNamed) {
    auto const error = errorOf([] { (void)makeExecutor("/nowhere"); });
    EXPECT_EQ(error, "[ERR_MODEL_NOT_FOUND] /nowhere/encoder is not a folder");
    EXPECT_NE(errorOf([] { (void)makeExecutor(model(), {.weights = "int3"}); }).find("weights must be auto"),
        std::string::npos);
    EXPECT_NE(errorOf([] { (void)makeExecutor(model(), {.threads = -1}); }).find("threads must be in [0, 1024]"),
        std::string::npos);
}

} // namespace
} // namespace embedded
