#include "executor/iterationRecorder.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>

namespace embedded {

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::duration duration) {
    return std::chrono::duration<double, std::milli>(duration).count();
}

/// Local time as the API writes it: month-day-year hours:minutes:seconds.microseconds.
std::string timestamp() {
    auto const now = std::chrono::system_clock::now();
    auto const seconds = std::chrono::system_clock::to_time_t(now);
    auto const micros =
        std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count() % 1'000'000;
    std::tm local{};
    localtime_r(&seconds, &local);
    char text[32];
    auto const length = std::strftime(text, sizeof text, "%m-%d-%Y %H:%M:%S", &local);
    std::snprintf(text + length, sizeof text - length, ".%06lld", static_cast<long long>(micros));
    return text;
}

/// @param reusedBlocks blocks that requests found filled; the blocks that were not found are the new ones
texec::KvCacheStats cacheStats(
    BlockPool const& pool, SizeType32 tokensPerBlock, SizeType32 retainedBlocks, std::uint64_t reusedBlocks) {
    texec::KvCacheStats stats;
    stats.maxNumBlocks = pool.numBlocks();
    stats.freeNumBlocks = pool.numFree() + retainedBlocks;
    stats.usedNumBlocks = pool.numUsed() - retainedBlocks;
    stats.tokensPerBlock = tokensPerBlock;
    stats.reusedBlocks = static_cast<SizeType32>(reusedBlocks);
    stats.allocNewBlocks = pool.numAllocations();
    stats.missedBlocks = pool.numAllocations();
    stats.allocTotalBlocks = stats.allocNewBlocks + stats.reusedBlocks;
    auto const asked = static_cast<float>(stats.reusedBlocks) + static_cast<float>(stats.missedBlocks);
    stats.cacheHitRate = asked > 0 ? static_cast<float>(stats.reusedBlocks) / asked : 0.0F;
    return stats;
}

texec::RequestStage stageOf(ActiveRequest const& request) {
    if (request.isFinished()) {
        return texec::RequestStage::kGENERATION_COMPLETE;
    }
    switch (request.stage) {
    case Stage::kENCODER:
        return texec::RequestStage::kENCODER_IN_PROGRESS;
    case Stage::kCONTEXT:
        return texec::RequestStage::kCONTEXT_IN_PROGRESS;
    case Stage::kGENERATION:
        break;
    }
    return texec::RequestStage::kGENERATION_IN_PROGRESS;
}

texec::RequestStats statsOf(ActiveRequest const& request, bool scheduled) {
    texec::RequestStats stats{};
    stats.id = request.id;
    stats.stage = stageOf(request);
    stats.contextPrefillPosition = request.decodingIter > 0 ? request.promptLength() : 0;
    stats.numGeneratedTokens = request.numGenerated();
    stats.avgNumDecodedTokensPerIter = request.avgDecodedTokensPerIter();
    stats.scheduled = scheduled;
    auto const blocks = request.blockUse();
    stats.allocTotalBlocksPerRequest = blocks.total;
    stats.allocNewBlocksPerRequest = blocks.filled();
    stats.reusedBlocksPerRequest = blocks.reused;
    stats.missedBlocksPerRequest = blocks.filled();
    stats.kvCacheHitRatePerRequest = blocks.hitRate();
    return stats;
}

} // namespace

IterationRecorder::IterationRecorder(texec::ExecutorConfig const& config, EngineLimits const& limits)
    : mLimits(limits)
    , mIterations(config.getIterStatsMaxIterations())
    , mRequestIterations(config.getRequestStatsMaxIterations()) {}

void IterationRecorder::begin() {
    auto const iter = mIteration.iter + 1;
    mIteration = {};
    mIteration.iter = iter;
    mIteration.inflightBatchingStats.emplace();
    mScheduledIds.clear();
    mStart = Clock::now();
}

void IterationRecorder::becameActive(RequestTimes::Point arrival) {
    ++mIteration.numNewActiveRequests;
    mIteration.newActiveRequestsQueueLatencyMS += milliseconds(Clock::now() - arrival);
}

void IterationRecorder::scheduled(std::span<ActiveRequest* const> requests) {
    auto& stats = *mIteration.inflightBatchingStats;
    for (auto const* const request : requests) {
        bool const isContext = request->stage == Stage::kCONTEXT;
        ++stats.numScheduledRequests;
        ++(isContext ? stats.numContextRequests : stats.numGenRequests);
        stats.numCtxTokens += isContext ? request->promptLength() : 0;
        mScheduledIds.push_back(request->id);
    }
    stats.avgNumDecodedTokensPerIter = stats.numGenRequests > 0 ? 1.0F : 0.0F;
}

void IterationRecorder::requests(Active const& active, RequestQueue const& queue) {
    if (!mRequestIterations.isOn()) {
        return;
    }
    texec::RequestStatsPerIteration record{mIteration.iter, {}};
    for (auto const& request : active) {
        record.requestStats.push_back(statsOf(*request, std::ranges::count(mScheduledIds, request->id) > 0));
    }
    for (auto const id : queue.waitingIds()) {
        record.requestStats.push_back({});
        record.requestStats.back().id = id;
    }
    mRequestIterations.add(std::move(record));
}

void IterationRecorder::end(SizeType32 numActive, SizeType32 numQueued, ModelRunner& runner) {
    if (!mIterations.isOn()) {
        return;
    }
    auto& stats = mIteration;
    auto const& encoded = runner.encoderCache();
    stats.timestamp = timestamp();
    stats.iterLatencyMS = milliseconds(Clock::now() - mStart);
    stats.numActiveRequests = numActive;
    stats.numQueuedRequests = numQueued;
    stats.maxNumActiveRequests = mLimits.maxBatchSize;
    stats.maxBatchSizeStatic = stats.maxBatchSizeRuntime = mLimits.maxBatchSize;
    stats.maxNumTokensStatic = stats.maxNumTokensRuntime = mLimits.maxNumTokens;
    auto const numUsed = runner.selfPool().numUsed() + runner.crossPool().numUsed();
    stats.cpuMemUsage = static_cast<std::size_t>(numUsed) * runner.bytesPerBlock();
    stats.kvCacheStats = cacheStats(runner.selfPool(), mLimits.tokensPerBlock, 0, 0);
    stats.crossKvCacheStats =
        cacheStats(runner.crossPool(), mLimits.tokensPerBlock, encoded.numRetainedBlocks(), encoded.numReusedBlocks());
    mIterations.add(stats);
}

} // namespace embedded
