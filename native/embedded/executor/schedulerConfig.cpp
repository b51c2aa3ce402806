#include "tensorrt_llm/executor/configs.h"

#include <tuple>
#include <utility>

namespace tensorrt_llm::executor {

std::vector<std::pair<SizeType32, SizeType32>> const DynamicBatchConfig::kDefaultBatchSizeTable{
    {144, 128}, {336, 256}, {672, 512}, {832, 768}, {1280, 1024}, {1664, 1536}};

DynamicBatchConfig::DynamicBatchConfig(bool enableBatchSizeTuning, bool enableMaxNumTokensTuning,
    SizeType32 dynamicBatchMovingAverageWindow, std::vector<std::pair<SizeType32, SizeType32>> batchSizeTable)
    : mEnableBatchSizeTuning(enableBatchSizeTuning)
    , mEnableMaxNumTokensTuning(enableMaxNumTokensTuning)
    , mDynamicBatchMovingAverageWindow(dynamicBatchMovingAverageWindow)
    , mBatchSizeTable(std::move(batchSizeTable)) {}

namespace {

/// For comparing: NVIDIA's class has no operator== of its own.
auto fieldsOf(std::optional<DynamicBatchConfig> const& config) {
    return config ? std::optional(std::tuple(config->getEnableBatchSizeTuning(), config->getEnableMaxNumTokensTuning(),
               config->getDynamicBatchMovingAverageWindow(), config->getBatchSizeTable()))
                  : std::nullopt;
}

} // namespace

SchedulerConfig::SchedulerConfig(CapacitySchedulerPolicy capacitySchedulerPolicy,
    std::optional<ContextChunkingPolicy> contextChunkingPolicy, std::optional<DynamicBatchConfig> dynamicBatchConfig)
    : mCapacitySchedulerPolicy(capacitySchedulerPolicy)
    , mContextChunkingPolicy(contextChunkingPolicy)
    , mDynamicBatchConfig(std::move(dynamicBatchConfig)) {}

bool SchedulerConfig::operator==(SchedulerConfig const& other) const {
    return mCapacitySchedulerPolicy == other.mCapacitySchedulerPolicy
        && mContextChunkingPolicy == other.mContextChunkingPolicy
        && fieldsOf(mDynamicBatchConfig) == fieldsOf(other.mDynamicBatchConfig);
}

} // namespace tensorrt_llm::executor
