#include "executor/checks.h"

#include "executor/dataType.h"
#include "executor/valueTesting.h"
#include "tensorrt_llm/executor/executor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

namespace tensorrt_llm::executor {

TEST(Checks, NamesFieldLimitsAndValue) {
    using checks::checked;
    EXPECT_EQ(errorOf([] { return checked("a", 5, {.above = 5}); }), invalid("a must be > 5, got 5"));
    EXPECT_EQ(errorOf([] { return checked("a", -1, {.atLeast = 0, .atMost = 9}); }),
        invalid("a must be >= 0 and <= 9, got -1"));
    EXPECT_EQ(errorOf([] { return checked("a", 0.1F, {.below = 0.05F}); }), invalid("a must be < 0.05, got 0.1"));
    EXPECT_EQ(errorOf([] {
        return checked("a", std::vector<int>{1, 0}, {.above = 0}).size();
    }),
        invalid("a[1] must be > 0, got 0"));
    EXPECT_EQ(errorOf([] { return checked("a", std::optional<int>(), {.above = 0}).has_value(); }), "");
    EXPECT_EQ(
        errorOf([] { return checked("a", std::nanf(""), {.atLeast = 0.0F}); }), invalid("a must be >= 0, got nan"));
}

TEST(Types, EnumeratorsPrintWithoutTheirPrefix) {
    auto const printed = [](auto policy) {
        std::ostringstream os;
        os << policy;
        return os.str();
    };
    EXPECT_EQ(printed(CapacitySchedulerPolicy::kMAX_UTILIZATION), "MAX_UTILIZATION");
    EXPECT_EQ(printed(CapacitySchedulerPolicy::kGUARANTEED_NO_EVICT), "GUARANTEED_NO_EVICT");
    EXPECT_EQ(printed(CapacitySchedulerPolicy::kSTATIC_BATCH), "STATIC_BATCH");
    EXPECT_EQ(printed(ContextChunkingPolicy::kFIRST_COME_FIRST_SERVED), "FIRST_COME_FIRST_SERVED");
    EXPECT_EQ(printed(ContextChunkingPolicy::kEQUAL_PROGRESS), "EQUAL_PROGRESS");
}

TEST(Types, TraitsAndSizes) {
    static_assert(TypeTraits<float>::value == DataType::kFP32);
    static_assert(TypeTraits<std::int8_t>::value == DataType::kINT8);
    static_assert(TypeTraits<std::int32_t>::value == DataType::kINT32);
    static_assert(TypeTraits<std::int64_t>::value == DataType::kINT64);
    static_assert(TypeTraits<bool>::value == DataType::kBOOL);
    static_assert(TypeTraits<std::uint8_t>::value == DataType::kUINT8);
    static_assert(TypeTraits<float*>::value == DataType::kINT64);
    static_assert(infoOf(DataType::kBF16).size == 2 && infoOf(DataType::kINT64).size == 8);
    EXPECT_STREQ(infoOf(DataType::kFP16).name, "FP16");
    EXPECT_EQ(infoOf(static_cast<DataType>(10)).size, 0);
    EXPECT_EQ(infoOf(static_cast<DataType>(-1)).size, 0);
}

TEST(Types, StatisticsStartAtZero) {
    EXPECT_EQ(IterationStats().numActiveRequests, 0);
    EXPECT_FALSE(IterationStats().crossKvCacheStats);
    EXPECT_EQ(RequestStats().stage, RequestStage::kQUEUED);
    EXPECT_EQ(RequestPerfMetrics().kvCacheMetrics.numReusedBlocks, 0);
    EXPECT_EQ(RequestPerfMetrics().timingMetrics.arrivalTime, RequestPerfMetrics::TimePoint());
}

TEST(Version, IsThatOfTheApi) {
    EXPECT_STREQ(version(), "1.2.1");
}

} // namespace tensorrt_llm::executor
