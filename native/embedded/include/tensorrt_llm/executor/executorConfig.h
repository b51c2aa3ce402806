#pragma once

#include "tensorrt_llm/executor/configs.h"
#include "tensorrt_llm/executor/outputConfig.h"
#include "tensorrt_llm/executor/types.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace tensorrt_llm::executor {

/// Everything that an Executor is constructed with besides the model.
///
/// The constructor and the setters throw TllmException for a value outside the range of its field.
///
/// Field                      Meaning                                                                     Range
/// maxBeamWidth               widest beam of a request                                                    > 0
/// enableChunkedContext       process long prompts in pieces where the model can
/// normalizeLogProbs          divide the cumulative log-probability of a beam by its length
/// iterStatsMaxIterations     iterations kept for getLatestIterationStats(); 0: off                       >= 0
/// requestStatsMaxIterations  iterations kept for getLatestRequestStats(); 0: off                         >= 0
/// maxBatchSize               most sequences in a decoder step; unset: the model's limit                  > 0 (setter)
/// maxNumTokens               most tokens in a decoder step; unset: the model's limit                     > 0 (setter)
/// useGpuDirectStorage        read weights straight into GPU memory
/// gpuWeightsPercent          share (0 ... 1) of the weights kept in GPU memory
/// maxQueueSize               enqueueing throws when this many requests wait; unset or <= 0: no limit
/// recvPollPeriodMs           period of polling in orchestrator mode, in ms; 0: busy loop
/// maxSeqIdleMicroseconds     how long an idle sequence keeps its place, in microseconds                  > 0
/// additionalModelOutputs     every extra output that requests may ask for
/// gatherGenerationLogits     requests may ask for generation logits
/// promptTableOffloading      keep prompt embeddings in host memory
/// enableTrtOverlap           prepare the next step on the host while the device runs
/// failFastOnAttentionWindowTooLarge  refuse a window that the cache cannot hold instead of narrowing it
class ExecutorConfig {
public:
    static constexpr std::uint64_t kDefaultMaxSeqIdleMicroseconds = 180'000'000; ///< 3 minutes
    static constexpr SizeType32 kDefaultIterStatsMaxIterations = 1000;
    static constexpr SizeType32 kDefaultRequestStatsMaxIterations = 0;

    explicit ExecutorConfig(SizeType32 maxBeamWidth = 1, SchedulerConfig schedulerConfig = SchedulerConfig(),
        KvCacheConfig kvCacheConfig = KvCacheConfig(), bool enableChunkedContext = true, bool normalizeLogProbs = true,
        SizeType32 iterStatsMaxIterations = kDefaultIterStatsMaxIterations,
        SizeType32 requestStatsMaxIterations = kDefaultRequestStatsMaxIterations,
        BatchingType batchingType = BatchingType::kINFLIGHT, std::optional<SizeType32> maxBatchSize = std::nullopt,
        std::optional<SizeType32> maxNumTokens = std::nullopt,
        std::optional<ParallelConfig> parallelConfig = std::nullopt,
        std::optional<PeftCacheConfig> const& peftCacheConfig = std::nullopt,
        std::optional<LogitsPostProcessorConfig> logitsPostProcessorConfig = std::nullopt,
        std::optional<DecodingConfig> decodingConfig = std::nullopt);

    [[nodiscard]] SizeType32 getMaxBeamWidth() const { return mMaxBeamWidth; }
    [[nodiscard]] SchedulerConfig getSchedulerConfig() const { return mSchedulerConfig; }
    [[nodiscard]] KvCacheConfig getKvCacheConfig() const { return mKvCacheConfig; }
    SchedulerConfig& getSchedulerConfigRef() { return mSchedulerConfig; }
    KvCacheConfig& getKvCacheConfigRef() { return mKvCacheConfig; }
    [[nodiscard]] bool getEnableChunkedContext() const { return mEnableChunkedContext; }
    [[nodiscard]] bool getNormalizeLogProbs() const { return mNormalizeLogProbs; }
    [[nodiscard]] SizeType32 getIterStatsMaxIterations() const { return mIterStatsMaxIterations; }
    [[nodiscard]] SizeType32 getRequestStatsMaxIterations() const { return mRequestStatsMaxIterations; }
    [[nodiscard]] BatchingType getBatchingType() const { return mBatchingType; }
    [[nodiscard]] std::optional<SizeType32> getMaxBatchSize() const { return mMaxBatchSize; }
    [[nodiscard]] std::optional<SizeType32> getMaxNumTokens() const { return mMaxNumTokens; }
    [[nodiscard]] std::optional<ParallelConfig> getParallelConfig() const { return mParallelConfig; }
    [[nodiscard]] std::optional<PeftCacheConfig> getPeftCacheConfig() const { return mPeftCacheConfig; }
    [[nodiscard]] std::optional<LogitsPostProcessorConfig> getLogitsPostProcessorConfig() const {
        return mLogitsPostProcessorConfig;
    }
    [[nodiscard]] std::optional<DecodingConfig> getDecodingConfig() const { return mDecodingConfig; }
    [[nodiscard]] bool getUseGpuDirectStorage() const { return mUseGpuDirectStorage; }
    [[nodiscard]] float getGpuWeightsPercent() const { return mGpuWeightsPercent; }
    [[nodiscard]] std::optional<SizeType32> getMaxQueueSize() const { return mMaxQueueSize; }
    [[nodiscard]] ExtendedRuntimePerfKnobConfig getExtendedRuntimePerfKnobConfig() const {
        return mExtendedRuntimePerfKnobConfig;
    }
    [[nodiscard]] SizeType32 getRecvPollPeriodMs() const { return mRecvPollPeriodMs; }
    [[nodiscard]] std::uint64_t getMaxSeqIdleMicroseconds() const { return mMaxSeqIdleMicroseconds; }
    [[nodiscard]] std::optional<std::vector<AdditionalModelOutput>> getAdditionalModelOutputs() const {
        return mAdditionalModelOutputs;
    }
    [[nodiscard]] bool getGatherGenerationLogits() const { return mGatherGenerationLogits; }
    [[nodiscard]] bool getPromptTableOffloading() const { return mPromptTableOffloading; }
    [[nodiscard]] bool getEnableTrtOverlap() const { return mEnableTrtOverlap; }
    [[nodiscard]] bool getFailFastOnAttentionWindowTooLarge() const { return mFailFastOnAttentionWindowTooLarge; }

    void setMaxBeamWidth(SizeType32 maxBeamWidth);
    void setMaxBatchSize(SizeType32 maxBatchSize);
    void setMaxNumTokens(SizeType32 maxNumTokens);
    void setSchedulerConfig(SchedulerConfig const& schedulerConfig) { mSchedulerConfig = schedulerConfig; }
    void setKvCacheConfig(KvCacheConfig const& kvCacheConfig) { mKvCacheConfig = kvCacheConfig; }
    void setEnableChunkedContext(bool enableChunkedContext) { mEnableChunkedContext = enableChunkedContext; }
    void setNormalizeLogProbs(bool normalizeLogProbs) { mNormalizeLogProbs = normalizeLogProbs; }
    void setIterStatsMaxIterations(SizeType32 iterStatsMaxIterations);
    void setRequestStatsMaxIterations(SizeType32 requestStatsMaxIterations);
    void setBatchingType(BatchingType batchingType) { mBatchingType = batchingType; }
    void setParallelConfig(ParallelConfig const& parallelConfig) { mParallelConfig = parallelConfig; }
    void setPeftCacheConfig(PeftCacheConfig const& peftCacheConfig) { mPeftCacheConfig = peftCacheConfig; }
    void setLogitsPostProcessorConfig(LogitsPostProcessorConfig const& logitsPostProcessorConfig) {
        mLogitsPostProcessorConfig = logitsPostProcessorConfig;
    }
    void setDecodingConfig(DecodingConfig const& decodingConfig) { mDecodingConfig = decodingConfig; }
    void setUseGpuDirectStorage(bool const& useGpuDirectStorage) { mUseGpuDirectStorage = useGpuDirectStorage; }
    void setGpuWeightsPercent(float const& gpuWeightsPercent) { mGpuWeightsPercent = gpuWeightsPercent; }
    void setMaxQueueSize(std::optional<SizeType32> const& maxQueueSize) { mMaxQueueSize = maxQueueSize; }
    void setExtendedRuntimePerfKnobConfig(ExtendedRuntimePerfKnobConfig const& extendedRuntimePerfKnobConfig) {
        mExtendedRuntimePerfKnobConfig = extendedRuntimePerfKnobConfig;
    }
    void setRecvPollPeriodMs(SizeType32 const& recvPollPeriodMs) { mRecvPollPeriodMs = recvPollPeriodMs; }
    void setMaxSeqIdleMicroseconds(std::uint64_t maxSeqIdleMicroseconds);
    void setAdditionalModelOutputs(std::vector<AdditionalModelOutput> const& additionalModelOutputs) {
        mAdditionalModelOutputs = additionalModelOutputs;
    }
    void setGatherGenerationLogits(bool gatherGenerationLogits) { mGatherGenerationLogits = gatherGenerationLogits; }
    void setPromptTableOffloading(bool promptTableOffloading) { mPromptTableOffloading = promptTableOffloading; }
    void setEnableTrtOverlap(bool enableTrtOverlap) { mEnableTrtOverlap = enableTrtOverlap; }
    void setFailFastOnAttentionWindowTooLarge(bool failFast) { mFailFastOnAttentionWindowTooLarge = failFast; }

private:
    SizeType32 mMaxBeamWidth;
    SchedulerConfig mSchedulerConfig;
    KvCacheConfig mKvCacheConfig;
    bool mEnableChunkedContext;
    bool mNormalizeLogProbs;
    SizeType32 mIterStatsMaxIterations;
    SizeType32 mRequestStatsMaxIterations;
    BatchingType mBatchingType;
    std::optional<SizeType32> mMaxBatchSize;
    std::optional<SizeType32> mMaxNumTokens;
    std::optional<ParallelConfig> mParallelConfig;
    std::optional<PeftCacheConfig> mPeftCacheConfig;
    std::optional<LogitsPostProcessorConfig> mLogitsPostProcessorConfig;
    std::optional<DecodingConfig> mDecodingConfig;
    bool mUseGpuDirectStorage{false};
    float mGpuWeightsPercent{1.0F};
    std::optional<SizeType32> mMaxQueueSize;
    ExtendedRuntimePerfKnobConfig mExtendedRuntimePerfKnobConfig;
    SizeType32 mRecvPollPeriodMs{0};
    std::uint64_t mMaxSeqIdleMicroseconds{kDefaultMaxSeqIdleMicroseconds};
    std::optional<std::vector<AdditionalModelOutput>> mAdditionalModelOutputs;
    bool mGatherGenerationLogits{false};
    bool mPromptTableOffloading{false};
    bool mEnableTrtOverlap{false};
    bool mFailFastOnAttentionWindowTooLarge{false};
};

} // namespace tensorrt_llm::executor
