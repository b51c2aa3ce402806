/// The statistics calls against the arithmetic of what was run.
#include "testing/testData.h"
#include "testing/testExecutor.h"

#include <gtest/gtest.h>
#include <functional>
#include <regex>

namespace embedded {
namespace {

namespace texec = tensorrt_llm::executor;
using namespace std::chrono_literals;
using testing::makeExecutor;
using testing::makeRequest;
using testing::model;

void runAll(texec::Executor& executor, std::vector<texec::Request> const& requests) {
    for (auto const id : executor.enqueueRequests(requests)) {
        ASSERT_TRUE(executor.awaitResponses(id, 10s).at(0).getResult().isFinal);
    }
}

/// Statistics of an iteration may be recorded a moment after its responses were seen.
template <typename Records> Records taken(std::function<Records()> const& take, std::size_t atLeast) {
    Records records;
    for (int i = 0; i < 1000 && records.size() < atLeast; ++i) {
        for (auto& record : take()) {
            records.push_back(std::move(record));
        }
    }
    return records;
}

TEST(Statistics, CountRequestsTokensAndBlocks) {
    auto const executor = makeExecutor(model(), {.maxBatchSize = 4, .reuseEncoder = false});
    // 40 encoder tokens: 2 blocks of 32. One prompt and 40 generated tokens: 2 blocks, 40 steps.
    runAll(*executor, {makeRequest(texec::VecTokens(40, 5), 40), makeRequest(texec::VecTokens(40, 6), 40)});
    auto const stats =
        taken<std::deque<texec::IterationStats>>([&] { return executor->getLatestIterationStats(); }, 40);
    ASSERT_GE(stats.size(), 40U);
    int started = 0;
    int completed = 0;
    int contextTokens = 0;
    int generated = 0;
    for (auto const& iteration : stats) {
        started += iteration.numNewActiveRequests;
        completed += iteration.numCompletedRequests;
        contextTokens += iteration.inflightBatchingStats->numCtxTokens;
        generated += iteration.inflightBatchingStats->numScheduledRequests;
        EXPECT_EQ(iteration.maxNumActiveRequests, 4);
        EXPECT_EQ(iteration.maxBatchSizeTunerRecommended, 0);
        EXPECT_EQ(iteration.kvCacheStats->freeNumBlocks + iteration.kvCacheStats->usedNumBlocks,
            iteration.kvCacheStats->maxNumBlocks);
        EXPECT_TRUE(std::regex_match(iteration.timestamp, std::regex(R"(\d\d-\d\d-\d{4} \d\d:\d\d:\d\d\.\d{6})")));
    }
    EXPECT_EQ(started, 2);
    EXPECT_EQ(completed, 2);
    EXPECT_EQ(contextTokens, 2);
    EXPECT_EQ(generated, 80);
    auto const& last = stats.back();
    EXPECT_EQ(last.numActiveRequests, 0);
    EXPECT_EQ(last.kvCacheStats->usedNumBlocks, 0);
    EXPECT_EQ(last.kvCacheStats->allocTotalBlocks, 4);
    EXPECT_EQ(last.crossKvCacheStats->allocNewBlocks, 4);
    EXPECT_EQ(last.crossKvCacheStats->reusedBlocks, 0);
    EXPECT_EQ(last.crossKvCacheStats->missedBlocks, 4);
    EXPECT_EQ(last.crossKvCacheStats->cacheHitRate, 0.0F);
    EXPECT_TRUE(executor->getLatestIterationStats().empty()) << "reading takes them";
}

TEST(Statistics, EncoderReuseIsAHitOfTheCrossCache) {
    auto const executor = makeExecutor(model());
    runAll(*executor, std::vector<texec::Request>(4, makeRequest(texec::VecTokens(40, 5), 8)));
    auto const stats = taken<std::deque<texec::IterationStats>>([&] { return executor->getLatestIterationStats(); }, 8);
    ASSERT_FALSE(stats.empty());
    auto const& cross = *stats.back().crossKvCacheStats;
    EXPECT_EQ(cross.allocNewBlocks, 2);
    EXPECT_EQ(cross.reusedBlocks, 6);
    EXPECT_EQ(cross.allocTotalBlocks, 8);
    EXPECT_FLOAT_EQ(cross.cacheHitRate, 0.75F);
    EXPECT_EQ(cross.usedNumBlocks, 0) << "blocks kept for reuse alone count as free";
}

TEST(Statistics, RequestStatsFollowEachRequest) {
    auto const executor = makeExecutor(model(), {.maxBatchSize = 1, .requestStats = 1000});
    runAll(*executor, {makeRequest({5}, 3), makeRequest({6}, 3)});
    auto const stats =
        taken<std::deque<texec::RequestStatsPerIteration>>([&] { return executor->getLatestRequestStats(); }, 6);
    ASSERT_EQ(stats.size(), 6U);
    auto const& first = stats.front().requestStats;
    ASSERT_EQ(first.size(), 2U);
    EXPECT_EQ(first[0].id, 1U);
    EXPECT_EQ(first[0].stage, texec::RequestStage::kGENERATION_IN_PROGRESS);
    EXPECT_TRUE(first[0].scheduled);
    EXPECT_EQ(first[0].contextPrefillPosition, 1);
    EXPECT_EQ(first[0].numGeneratedTokens, 1);
    EXPECT_EQ(first[0].allocTotalBlocksPerRequest, 2);
    EXPECT_EQ(first[1].id, 2U);
    EXPECT_EQ(first[1].stage, texec::RequestStage::kQUEUED);
    EXPECT_FALSE(first[1].scheduled);
    EXPECT_EQ(stats[2].requestStats[0].stage, texec::RequestStage::kGENERATION_COMPLETE);
}

TEST(Statistics, AreOffWhenTheRingHasNoRoom) {
    auto const executor = makeExecutor(model());
    runAll(*executor, {makeRequest({5}, 3)});
    EXPECT_TRUE(executor->getLatestRequestStats().empty());
}

TEST(Statistics, PerfMetricsOrderTheTimesOfARequest) {
    auto const executor = makeExecutor(model());
    auto request = makeRequest({5, 6, 7}, 5);
    texec::OutputConfig output;
    output.returnPerfMetrics = true;
    request.setOutputConfig(output);
    auto const result = executor->awaitResponses(executor->enqueueRequest(request), 10s).at(0).getResult();
    ASSERT_TRUE(result.requestPerfMetrics);
    auto const& times = result.requestPerfMetrics->timingMetrics;
    EXPECT_LE(times.arrivalTime, times.firstScheduledTime);
    EXPECT_LT(times.firstScheduledTime, times.firstTokenTime);
    EXPECT_LT(times.firstTokenTime, times.lastTokenTime);
    EXPECT_EQ(*result.requestPerfMetrics->lastIter - *result.requestPerfMetrics->firstIter, 4U);
    EXPECT_EQ(result.requestPerfMetrics->kvCacheMetrics.numTotalAllocatedBlocks, 2);
}

} // namespace
} // namespace embedded
