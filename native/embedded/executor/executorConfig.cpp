#include "tensorrt_llm/executor/executorConfig.h"

#include "executor/checks.h"

#include <utility>

namespace tensorrt_llm::executor {

using checks::checked;
using checks::kNOT_NEGATIVE;
using checks::kPOSITIVE;

bool ExtendedRuntimePerfKnobConfig::operator==(ExtendedRuntimePerfKnobConfig const& other) const = default;

ExecutorConfig::ExecutorConfig(SizeType32 maxBeamWidth, SchedulerConfig schedulerConfig, KvCacheConfig kvCacheConfig,
    bool enableChunkedContext, bool normalizeLogProbs, SizeType32 iterStatsMaxIterations,
    SizeType32 requestStatsMaxIterations, BatchingType batchingType, std::optional<SizeType32> maxBatchSize,
    std::optional<SizeType32> maxNumTokens, std::optional<ParallelConfig> parallelConfig,
    std::optional<PeftCacheConfig> const& peftCacheConfig,
    std::optional<LogitsPostProcessorConfig> logitsPostProcessorConfig, std::optional<DecodingConfig> decodingConfig)
    : mSchedulerConfig(std::move(schedulerConfig))
    , mKvCacheConfig(std::move(kvCacheConfig))
    , mEnableChunkedContext(enableChunkedContext)
    , mNormalizeLogProbs(normalizeLogProbs)
    , mBatchingType(batchingType)
    , mMaxBatchSize(maxBatchSize)
    , mMaxNumTokens(maxNumTokens)
    , mParallelConfig(std::move(parallelConfig))
    , mPeftCacheConfig(peftCacheConfig)
    , mLogitsPostProcessorConfig(std::move(logitsPostProcessorConfig))
    , mDecodingConfig(decodingConfig) {
    setMaxBeamWidth(maxBeamWidth);
    setIterStatsMaxIterations(iterStatsMaxIterations);
    setRequestStatsMaxIterations(requestStatsMaxIterations);
}

void ExecutorConfig::setMaxBeamWidth(SizeType32 maxBeamWidth) {
    mMaxBeamWidth = checked("maxBeamWidth", maxBeamWidth, kPOSITIVE<SizeType32>);
}

void ExecutorConfig::setMaxBatchSize(SizeType32 maxBatchSize) {
    mMaxBatchSize = checked("maxBatchSize", maxBatchSize, kPOSITIVE<SizeType32>);
}

void ExecutorConfig::setMaxNumTokens(SizeType32 maxNumTokens) {
    mMaxNumTokens = checked("maxNumTokens", maxNumTokens, kPOSITIVE<SizeType32>);
}

void ExecutorConfig::setIterStatsMaxIterations(SizeType32 iterStatsMaxIterations) {
    mIterStatsMaxIterations = checked("iterStatsMaxIterations", iterStatsMaxIterations, kNOT_NEGATIVE<SizeType32>);
}

void ExecutorConfig::setRequestStatsMaxIterations(SizeType32 requestStatsMaxIterations) {
    mRequestStatsMaxIterations =
        checked("requestStatsMaxIterations", requestStatsMaxIterations, kNOT_NEGATIVE<SizeType32>);
}

void ExecutorConfig::setMaxSeqIdleMicroseconds(std::uint64_t maxSeqIdleMicroseconds) {
    mMaxSeqIdleMicroseconds = checked("maxSeqIdleMicroseconds", maxSeqIdleMicroseconds, kPOSITIVE<std::uint64_t>);
}

} // namespace tensorrt_llm::executor
