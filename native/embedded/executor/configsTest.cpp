#include "tensorrt_llm/executor/configs.h"

#include "executor/valueTesting.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <utility>

namespace tensorrt_llm::executor {

namespace {

using BatchSizeTable = std::vector<std::pair<SizeType32, SizeType32>>;

} // namespace

TEST(SchedulerConfig, Defaults) {
    SchedulerConfig const config;
    EXPECT_EQ(config.getCapacitySchedulerPolicy(), CapacitySchedulerPolicy::kGUARANTEED_NO_EVICT);
    EXPECT_FALSE(config.getContextChunkingPolicy());
    EXPECT_FALSE(config.getDynamicBatchConfig());

    DynamicBatchConfig const dynamic;
    EXPECT_FALSE(dynamic.getEnableBatchSizeTuning());
    EXPECT_FALSE(dynamic.getEnableMaxNumTokensTuning());
    EXPECT_EQ(dynamic.getDynamicBatchMovingAverageWindow(), 128);
    EXPECT_EQ(dynamic.getBatchSizeTable(),
        (BatchSizeTable{{144, 128}, {336, 256}, {672, 512}, {832, 768}, {1280, 1024}, {1664, 1536}}));
}

TEST(SchedulerConfig, ComparesEverything) {
    auto const policy = CapacitySchedulerPolicy::kSTATIC_BATCH;
    auto const chunking = ContextChunkingPolicy::kEQUAL_PROGRESS;
    SchedulerConfig const config(policy, chunking, DynamicBatchConfig(true, false, 64, {{1, 2}}));
    EXPECT_EQ(config.getContextChunkingPolicy(), chunking);
    EXPECT_EQ(config.getDynamicBatchConfig()->getBatchSizeTable(), (BatchSizeTable{{1, 2}}));
    EXPECT_TRUE(config == SchedulerConfig(policy, chunking, DynamicBatchConfig(true, false, 64, {{1, 2}})));
    EXPECT_FALSE(config == SchedulerConfig(policy, chunking, DynamicBatchConfig(true, true, 64, {{1, 2}})));
    EXPECT_FALSE(config == SchedulerConfig(policy, chunking));
    EXPECT_FALSE(SchedulerConfig(policy) == SchedulerConfig());
}

TEST(KvCacheConfig, Defaults) {
    KvCacheConfig const config;
    EXPECT_TRUE(config.getEnableBlockReuse());
    EXPECT_FALSE(config.getMaxTokens());
    EXPECT_FALSE(config.getMaxAttentionWindowVec());
    EXPECT_FALSE(config.getSinkTokenLength());
    EXPECT_FALSE(config.getFreeGpuMemoryFraction());
    EXPECT_FALSE(config.getHostCacheSize());
    EXPECT_TRUE(config.getOnboardBlocks());
    EXPECT_FALSE(config.getCrossKvCacheFraction());
    EXPECT_FALSE(config.getSecondaryOffloadMinPriority());
    EXPECT_EQ(config.getEventBufferMaxSize(), 0);
    EXPECT_TRUE(config.getEnablePartialReuse());
    EXPECT_TRUE(config.getCopyOnPartialReuse());
    EXPECT_FALSE(config.getUseUvm());
    EXPECT_EQ(config.getAttentionDpEventsGatherPeriodMs(), 5);
    EXPECT_EQ(config.getMaxGpuTotalBytes(), 0);
    EXPECT_EQ(KvCacheConfig::kDefaultGpuMemFraction, 0.9F);
}

TEST(KvCacheConfig, ConstructorParameters) {
    KvCacheConfig const config(
        false, 64, std::vector<SizeType32>{8, 16}, 4, 0.25F, 1024, false, 0.5F, 35, 7, false, true, true, 9);
    EXPECT_FALSE(config.getEnableBlockReuse());
    EXPECT_EQ(config.getMaxTokens(), 64);
    EXPECT_EQ(config.getMaxAttentionWindowVec(), (std::vector<SizeType32>{8, 16}));
    EXPECT_EQ(config.getSinkTokenLength(), 4);
    EXPECT_EQ(config.getFreeGpuMemoryFraction(), 0.25F);
    EXPECT_EQ(config.getHostCacheSize(), 1024);
    EXPECT_FALSE(config.getOnboardBlocks());
    EXPECT_EQ(config.getCrossKvCacheFraction(), 0.5F);
    EXPECT_EQ(config.getSecondaryOffloadMinPriority(), 35);
    EXPECT_EQ(config.getEventBufferMaxSize(), 7);
    EXPECT_FALSE(config.getEnablePartialReuse());
    EXPECT_TRUE(config.getCopyOnPartialReuse());
    EXPECT_TRUE(config.getUseUvm());
    EXPECT_EQ(config.getAttentionDpEventsGatherPeriodMs(), 9);
}

TEST(KvCacheConfig, SettersAreReadBack) {
    using K = KvCacheConfig;
    K config;
    reads(config, &K::setEnableBlockReuse, &K::getEnableBlockReuse, false);
    reads(config, &K::setEnablePartialReuse, &K::getEnablePartialReuse, false);
    reads(config, &K::setCopyOnPartialReuse, &K::getCopyOnPartialReuse, false);
    reads(config, &K::setMaxTokens, &K::getMaxTokens, std::optional<SizeType32>(1));
    reads(config, &K::setMaxTokens, &K::getMaxTokens, std::optional<SizeType32>());
    reads(config, &K::setMaxAttentionWindowVec, &K::getMaxAttentionWindowVec, std::vector<SizeType32>{1, 2});
    reads(config, &K::setSinkTokenLength, &K::getSinkTokenLength, 1);
    reads(config, &K::setFreeGpuMemoryFraction, &K::getFreeGpuMemoryFraction, 0.99F);
    reads(config, &K::setCrossKvCacheFraction, &K::getCrossKvCacheFraction, 0.01F);
    reads(config, &K::setHostCacheSize, &K::getHostCacheSize, std::size_t{1});
    reads(config, &K::setOnboardBlocks, &K::getOnboardBlocks, false);
    reads(config, &K::setSecondaryOffloadMinPriority, &K::getSecondaryOffloadMinPriority, std::optional(1));
    reads(config, &K::setEventBufferMaxSize, &K::getEventBufferMaxSize, std::size_t{1});
    reads(config, &K::setUseUvm, &K::getUseUvm, true);
    reads(config, &K::setAttentionDpEventsGatherPeriodMs, &K::getAttentionDpEventsGatherPeriodMs, 1);
    reads(config, &K::setMaxGpuTotalBytes, &K::getMaxGpuTotalBytes, std::uint64_t{1});
}

TEST(KvCacheConfig, Ranges) {
    using Fraction = std::optional<FloatType>;
    using Count = std::optional<SizeType32>;
    using Windows = std::vector<SizeType32>;
    struct Case {
        std::function<KvCacheConfig()> construct;
        std::function<void(KvCacheConfig&)> set;
        std::string error;
    };
    auto const free = [](FloatType value) {
        return Case{[=] { return KvCacheConfig(true, {}, {}, {}, Fraction(value)); },
            [=](auto& config) { config.setFreeGpuMemoryFraction(value); },
            "freeGpuMemoryFraction must be > 0 and < 1, got "};
    };
    auto const cross = [](FloatType value) {
        return Case{[=] { return KvCacheConfig(true, {}, {}, {}, {}, {}, true, Fraction(value)); },
            [=](auto& config) { config.setCrossKvCacheFraction(value); },
            "crossKvCacheFraction must be > 0 and < 1, got "};
    };
    Case const cases[]{
        {[] { return KvCacheConfig(true, 0); }, [](auto& config) { config.setMaxTokens(0); },
            "maxTokens must be > 0, got 0"},
        {[] {
             return KvCacheConfig(true, {}, Windows{1, 0});
         },
            [](auto& config) {
                config.setMaxAttentionWindowVec({1, 0});
            },
            "maxAttentionWindowVec[1] must be > 0, got 0"},
        {[] { return KvCacheConfig(true, {}, {}, Count(0)); }, [](auto& config) { config.setSinkTokenLength(0); },
            "sinkTokenLength must be > 0, got 0"},
        {[] { return KvCacheConfig(true, {}, {}, {}, {}, {}, true, {}, {}, 0, true, true, false, 0); },
            [](auto& config) { config.setAttentionDpEventsGatherPeriodMs(0); },
            "attentionDpEventsGatherPeriodMs must be > 0, got 0"},
        free(0.0F),
        free(1.0F),
        free(std::nanf("")),
        cross(0.0F),
        cross(1.0F),
        cross(std::nanf("")),
    };
    for (auto const& [construct, set, error] : cases) {
        KvCacheConfig config;
        EXPECT_EQ(errorOf(construct).rfind(invalid(error), 0), 0) << error;
        EXPECT_EQ(errorOf([&, &call = set] { return call(config), 0; }).rfind(invalid(error), 0), 0) << error;
    }
}

TEST(ExtendedRuntimePerfKnobConfig, DefaultsSettersAndEquality) {
    using K = ExtendedRuntimePerfKnobConfig;
    K config;
    EXPECT_TRUE(config.getMultiBlockMode());
    EXPECT_FALSE(config.getEnableContextFMHAFP32Acc());
    EXPECT_FALSE(config.getCudaGraphMode());
    EXPECT_EQ(config.getCudaGraphCacheSize(), 0);
    reads(config, &K::setMultiBlockMode, &K::getMultiBlockMode, false);
    reads(config, &K::setEnableContextFMHAFP32Acc, &K::getEnableContextFMHAFP32Acc, true);
    reads(config, &K::setCudaGraphMode, &K::getCudaGraphMode, true);
    reads(config, &K::setCudaGraphCacheSize, &K::getCudaGraphCacheSize, 3);
    EXPECT_TRUE(config == K(false, true, true, 3));
    EXPECT_FALSE(config == K());
}

TEST(ParallelConfig, DefaultsSettersAndCheck) {
    using P = ParallelConfig;
    using Ids = std::vector<SizeType32>;
    P config;
    EXPECT_EQ(config.getCommunicationType(), CommunicationType::kMPI);
    EXPECT_EQ(config.getCommunicationMode(), CommunicationMode::kLEADER);
    EXPECT_FALSE(config.getDeviceIds() || config.getParticipantIds() || config.getNumNodes());
    reads(config, &P::setCommunicationType, &P::getCommunicationType, CommunicationType::kMPI);
    reads(config, &P::setCommunicationMode, &P::getCommunicationMode, CommunicationMode::kORCHESTRATOR);
    reads(config, &P::setDeviceIds, &P::getDeviceIds, Ids{0});
    reads(config, &P::setParticipantIds, &P::getParticipantIds, Ids{1, 2});
    reads(config, &P::setNumNodes, &P::getNumNodes, 2);
    P const constructed(CommunicationType::kMPI, CommunicationMode::kLEADER, Ids{3}, Ids{4});
    EXPECT_EQ(constructed.getDeviceIds(), Ids{3});
    EXPECT_EQ(constructed.getParticipantIds(), Ids{4});

    auto const error = invalid("deviceIds length must be >= 1, got 0");
    EXPECT_EQ(errorOf([&] { return config.setDeviceIds({}), 0; }), error);
    EXPECT_EQ(errorOf([] { return P(CommunicationType::kMPI, CommunicationMode::kLEADER, Ids{}); }), error);
}

TEST(PeftCacheConfig, Defaults) {
    PeftCacheConfig const config;
    EXPECT_EQ(config.getNumHostModuleLayer(), 0);
    EXPECT_EQ(config.getNumDeviceModuleLayer(), 0);
    EXPECT_EQ(config.getOptimalAdapterSize(), 8);
    EXPECT_EQ(config.getMaxAdapterSize(), 64);
    EXPECT_EQ(config.getNumPutWorkers(), 1);
    EXPECT_EQ(config.getNumEnsureWorkers(), 1);
    EXPECT_EQ(config.getNumCopyStreams(), 1);
    EXPECT_EQ(config.getMaxPagesPerBlockHost(), 24);
    EXPECT_EQ(config.getMaxPagesPerBlockDevice(), 8);
    EXPECT_FALSE(config.getDeviceCachePercent());
    EXPECT_FALSE(config.getHostCacheSize());
    EXPECT_FALSE(config.getLoraPrefetchDir());
}

TEST(PeftCacheConfig, ConstructorParametersAndEquality) {
    PeftCacheConfig const config(1, 2, 3, 4, 5, 6, 7, 8, 9, 0.5F, 10, "folder");
    EXPECT_EQ(config.getNumHostModuleLayer(), 1);
    EXPECT_EQ(config.getNumDeviceModuleLayer(), 2);
    EXPECT_EQ(config.getOptimalAdapterSize(), 3);
    EXPECT_EQ(config.getMaxAdapterSize(), 4);
    EXPECT_EQ(config.getNumPutWorkers(), 5);
    EXPECT_EQ(config.getNumEnsureWorkers(), 6);
    EXPECT_EQ(config.getNumCopyStreams(), 7);
    EXPECT_EQ(config.getMaxPagesPerBlockHost(), 8);
    EXPECT_EQ(config.getMaxPagesPerBlockDevice(), 9);
    EXPECT_EQ(config.getDeviceCachePercent(), 0.5F);
    EXPECT_EQ(config.getHostCacheSize(), 10);
    EXPECT_EQ(config.getLoraPrefetchDir(), "folder");
    EXPECT_TRUE(config == PeftCacheConfig(1, 2, 3, 4, 5, 6, 7, 8, 9, 0.5F, 10, "folder"));
    EXPECT_FALSE(config == PeftCacheConfig(1, 2, 3, 4, 5, 6, 7, 8, 9, 0.5F, 10));
}

} // namespace tensorrt_llm::executor
