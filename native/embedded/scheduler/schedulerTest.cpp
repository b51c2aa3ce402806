#include "scheduler/scheduler.h"

#include <gtest/gtest.h>

namespace embedded {
namespace {

using Indices = std::vector<std::size_t>;

SchedulableRequest waiting(SizeType32 encoderLength, SizeType32 selfBlocks, SizeType32 crossBlocks) {
    return {Stage::kENCODER, encoderLength, 1, selfBlocks, crossBlocks};
}

SchedulableRequest running(SizeType32 selfBlocks) {
    return {Stage::kGENERATION, 10, 1, selfBlocks, 0};
}

Schedule run(std::vector<SchedulableRequest> const& requests, AvailableBlocks available, SchedulerLimits limits) {
    Schedule result;
    schedule(requests, limits, available, result);
    return result;
}

constexpr SchedulerLimits kLIMITS{CapacitySchedulerPolicy::kGUARANTEED_NO_EVICT, 4, 100, 100};

TEST(Scheduler, StartsWaitingRequestsBesideRunningOnes) {
    auto const result = run({running(1), waiting(10, 2, 1), running(0), waiting(10, 2, 1)}, {9, 9}, kLIMITS);
    EXPECT_EQ(result.encode, (Indices{1, 3}));
    EXPECT_EQ(result.decode, (Indices{0, 1, 2, 3})) << "the newly encoded decode in the same step";
}

TEST(Scheduler, SetsBlocksOfRunningRequestsAside) {
    // 5 available, 3 promised to the running one: 2 are left.
    EXPECT_EQ(run({running(3), waiting(10, 3, 1)}, {5, 9}, kLIMITS).encode, Indices{});
    EXPECT_EQ(run({running(3), waiting(10, 2, 1)}, {5, 9}, kLIMITS).encode, Indices{1});
}

TEST(Scheduler, NeitherPoolIsOverdrawn) {
    EXPECT_EQ(run({waiting(10, 1, 3), waiting(10, 1, 3)}, {9, 5}, kLIMITS).encode, Indices{0});
    EXPECT_EQ(run({waiting(10, 3, 1), waiting(10, 3, 1)}, {5, 9}, kLIMITS).encode, Indices{0});
}

TEST(Scheduler, NobodyOvertakesARequestThatWaitsForBlocks) {
    EXPECT_EQ(run({waiting(10, 6, 1), waiting(10, 1, 1)}, {5, 9}, kLIMITS).encode, Indices{});
}

TEST(Scheduler, KeepsTheBatchSize) {
    std::vector<SchedulableRequest> const requests(6, waiting(10, 1, 1));
    EXPECT_EQ(run(requests, {99, 99}, kLIMITS).encode, (Indices{0, 1, 2, 3}));
}

TEST(Scheduler, KeepsTheEncoderTokenBudgetButRunsALongInputAlone) {
    EXPECT_EQ(run({waiting(60, 1, 1), waiting(60, 1, 1)}, {99, 99}, kLIMITS).encode, Indices{0});
    EXPECT_EQ(run({waiting(400, 1, 1), waiting(1, 1, 1)}, {99, 99}, kLIMITS).encode, Indices{0});
}

TEST(Scheduler, KeepsTheDecoderTokenLimit) {
    std::vector<SchedulableRequest> requests(3, running(0));
    requests[0] = {Stage::kCONTEXT, 10, 80, 0, 0};
    requests[2] = {Stage::kCONTEXT, 10, 80, 0, 0};
    EXPECT_EQ(run(requests, {9, 9}, kLIMITS).decode, (Indices{0, 1}));
}

TEST(Scheduler, StaticBatchStartsOnlyWhenNothingRuns) {
    auto limits = kLIMITS;
    limits.policy = CapacitySchedulerPolicy::kSTATIC_BATCH;
    EXPECT_EQ(run({running(0), waiting(1, 1, 1)}, {9, 9}, limits).encode, Indices{});
    EXPECT_EQ(run({waiting(1, 1, 1), waiting(1, 1, 1)}, {9, 9}, limits).encode, (Indices{0, 1}));
}

} // namespace
} // namespace embedded
