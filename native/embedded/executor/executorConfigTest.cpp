#include "tensorrt_llm/executor/executorConfig.h"

#include "executor/valueTesting.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace tensorrt_llm::executor {

TEST(ExecutorConfig, Defaults) {
    ExecutorConfig const config;
    EXPECT_EQ(config.getMaxBeamWidth(), 1);
    EXPECT_TRUE(config.getSchedulerConfig() == SchedulerConfig());
    EXPECT_TRUE(config.getKvCacheConfig().getEnableBlockReuse());
    EXPECT_TRUE(config.getEnableChunkedContext());
    EXPECT_TRUE(config.getNormalizeLogProbs());
    EXPECT_EQ(config.getIterStatsMaxIterations(), 1000);
    EXPECT_EQ(config.getRequestStatsMaxIterations(), 0);
    EXPECT_EQ(config.getBatchingType(), BatchingType::kINFLIGHT);
    EXPECT_FALSE(config.getMaxBatchSize() || config.getMaxNumTokens() || config.getMaxQueueSize());
    EXPECT_FALSE(config.getParallelConfig() || config.getPeftCacheConfig() || config.getAdditionalModelOutputs());
    EXPECT_FALSE(config.getUseGpuDirectStorage());
    EXPECT_EQ(config.getGpuWeightsPercent(), 1.0F);
    EXPECT_TRUE(config.getExtendedRuntimePerfKnobConfig() == ExtendedRuntimePerfKnobConfig());
    EXPECT_EQ(config.getRecvPollPeriodMs(), 0);
    EXPECT_EQ(config.getMaxSeqIdleMicroseconds(), 180'000'000);
    EXPECT_FALSE(config.getGatherGenerationLogits() || config.getPromptTableOffloading());
    EXPECT_FALSE(config.getEnableTrtOverlap() || config.getFailFastOnAttentionWindowTooLarge());
    static_assert(!std::is_convertible_v<SizeType32, ExecutorConfig>);
}

TEST(ExecutorConfig, ConstructorParameters) {
    ExecutorConfig const config(2, SchedulerConfig(CapacitySchedulerPolicy::kSTATIC_BATCH), KvCacheConfig(false), false,
        false, 3, 4, BatchingType::kSTATIC, 5, 6, ParallelConfig(), PeftCacheConfig(7));
    EXPECT_EQ(config.getMaxBeamWidth(), 2);
    EXPECT_EQ(config.getSchedulerConfig().getCapacitySchedulerPolicy(), CapacitySchedulerPolicy::kSTATIC_BATCH);
    EXPECT_FALSE(config.getKvCacheConfig().getEnableBlockReuse());
    EXPECT_FALSE(config.getEnableChunkedContext());
    EXPECT_FALSE(config.getNormalizeLogProbs());
    EXPECT_EQ(config.getIterStatsMaxIterations(), 3);
    EXPECT_EQ(config.getRequestStatsMaxIterations(), 4);
    EXPECT_EQ(config.getBatchingType(), BatchingType::kSTATIC);
    EXPECT_EQ(config.getMaxBatchSize(), 5);
    EXPECT_EQ(config.getMaxNumTokens(), 6);
    EXPECT_TRUE(config.getParallelConfig());
    EXPECT_EQ(config.getPeftCacheConfig(), PeftCacheConfig(7));
}

TEST(ExecutorConfig, SettersAreReadBack) {
    using E = ExecutorConfig;
    E config;
    reads(config, &E::setMaxBeamWidth, &E::getMaxBeamWidth, 4);
    reads(config, &E::setMaxBatchSize, &E::getMaxBatchSize, 1);
    reads(config, &E::setMaxNumTokens, &E::getMaxNumTokens, 1);
    reads(config, &E::setSchedulerConfig, &E::getSchedulerConfig,
        SchedulerConfig(CapacitySchedulerPolicy::kMAX_UTILIZATION));
    reads(config, &E::setEnableChunkedContext, &E::getEnableChunkedContext, false);
    reads(config, &E::setNormalizeLogProbs, &E::getNormalizeLogProbs, false);
    reads(config, &E::setIterStatsMaxIterations, &E::getIterStatsMaxIterations, 0);
    reads(config, &E::setRequestStatsMaxIterations, &E::getRequestStatsMaxIterations, 1);
    reads(config, &E::setBatchingType, &E::getBatchingType, BatchingType::kSTATIC);
    reads(config, &E::setPeftCacheConfig, &E::getPeftCacheConfig, PeftCacheConfig(1));
    reads(config, &E::setUseGpuDirectStorage, &E::getUseGpuDirectStorage, true);
    reads(config, &E::setGpuWeightsPercent, &E::getGpuWeightsPercent, 0.5F);
    reads(config, &E::setMaxQueueSize, &E::getMaxQueueSize, std::optional<SizeType32>(-1));
    reads(config, &E::setExtendedRuntimePerfKnobConfig, &E::getExtendedRuntimePerfKnobConfig,
        ExtendedRuntimePerfKnobConfig(false));
    reads(config, &E::setRecvPollPeriodMs, &E::getRecvPollPeriodMs, 1);
    reads(config, &E::setMaxSeqIdleMicroseconds, &E::getMaxSeqIdleMicroseconds, std::uint64_t{1});
    reads(config, &E::setAdditionalModelOutputs, &E::getAdditionalModelOutputs,
        std::vector<AdditionalModelOutput>{AdditionalModelOutput("a")});
    reads(config, &E::setGatherGenerationLogits, &E::getGatherGenerationLogits, true);
    reads(config, &E::setPromptTableOffloading, &E::getPromptTableOffloading, true);
    reads(config, &E::setEnableTrtOverlap, &E::getEnableTrtOverlap, true);
    reads(config, &E::setFailFastOnAttentionWindowTooLarge, &E::getFailFastOnAttentionWindowTooLarge, true);

    config.setKvCacheConfig(KvCacheConfig(false));
    EXPECT_FALSE(config.getKvCacheConfig().getEnableBlockReuse());
    config.setParallelConfig(ParallelConfig(CommunicationType::kMPI, CommunicationMode::kORCHESTRATOR));
    EXPECT_EQ(config.getParallelConfig()->getCommunicationMode(), CommunicationMode::kORCHESTRATOR);
    config.getKvCacheConfigRef().setMaxTokens(5);
    EXPECT_EQ(config.getKvCacheConfig().getMaxTokens(), 5);
    config.getSchedulerConfigRef() = SchedulerConfig();
    EXPECT_TRUE(config.getSchedulerConfig() == SchedulerConfig());
}

TEST(ExecutorConfig, Ranges) {
    auto const construct = [](SizeType32 maxBeamWidth, SizeType32 iterations, SizeType32 requestIterations) {
        return errorOf([=] {
            return ExecutorConfig(
                maxBeamWidth, SchedulerConfig(), KvCacheConfig(), true, true, iterations, requestIterations);
        });
    };
    auto const beamError = invalid("maxBeamWidth must be > 0, got 0");
    auto const iterError = invalid("iterStatsMaxIterations must be >= 0, got -1");
    auto const requestError = invalid("requestStatsMaxIterations must be >= 0, got -1");
    EXPECT_EQ(construct(1, 0, 0), "");
    EXPECT_EQ(construct(0, 0, 0), beamError);
    EXPECT_EQ(construct(1, -1, 0), iterError);
    EXPECT_EQ(construct(1, 0, -1), requestError);

    ExecutorConfig config;
    EXPECT_EQ(errorOf([&] { return config.setMaxBeamWidth(0), 0; }), beamError);
    EXPECT_EQ(errorOf([&] { return config.setIterStatsMaxIterations(-1), 0; }), iterError);
    EXPECT_EQ(errorOf([&] { return config.setRequestStatsMaxIterations(-1), 0; }), requestError);
    EXPECT_EQ(errorOf([&] { return config.setMaxBatchSize(0), 0; }), invalid("maxBatchSize must be > 0, got 0"));
    EXPECT_EQ(errorOf([&] { return config.setMaxNumTokens(0), 0; }), invalid("maxNumTokens must be > 0, got 0"));
    EXPECT_EQ(errorOf([&] { return config.setMaxSeqIdleMicroseconds(0), 0; }),
        invalid("maxSeqIdleMicroseconds must be > 0, got 0"));
}

TEST(ExecutorConfig, ConstructorDoesNotCheckBatchLimits) {
    ExecutorConfig const config(
        1, SchedulerConfig(), KvCacheConfig(), true, true, 1, 0, BatchingType::kINFLIGHT, 0, -1);
    EXPECT_EQ(config.getMaxBatchSize(), 0);
    EXPECT_EQ(config.getMaxNumTokens(), -1);
}

} // namespace tensorrt_llm::executor
