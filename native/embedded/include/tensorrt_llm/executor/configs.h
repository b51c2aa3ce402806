/// What an Executor is configured with.
#pragma once

#include "tensorrt_llm/executor/outputConfig.h"
#include "tensorrt_llm/executor/types.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tensorrt_llm::executor {

/// How long cache blocks are worth keeping: 0 (drop first) ... 100.
using RetentionPriority = SizeType32;

/// Tunes the batch size and the token budget while running, from moving averages of input and output lengths.
class DynamicBatchConfig {
public:
    /// Requests that the averages reach back over.
    static constexpr SizeType32 kDefaultDynamicBatchMovingAverageWindow = 128;
    /// Pairs of: capacity up to which an entry holds, batch size to use then.
    static std::vector<std::pair<SizeType32, SizeType32>> const kDefaultBatchSizeTable;

    explicit DynamicBatchConfig(bool enableBatchSizeTuning = false, bool enableMaxNumTokensTuning = false,
        SizeType32 dynamicBatchMovingAverageWindow = kDefaultDynamicBatchMovingAverageWindow,
        std::vector<std::pair<SizeType32, SizeType32>> batchSizeTable = kDefaultBatchSizeTable);

    [[nodiscard]] SizeType32 getDynamicBatchMovingAverageWindow() const { return mDynamicBatchMovingAverageWindow; }
    [[nodiscard]] bool getEnableBatchSizeTuning() const { return mEnableBatchSizeTuning; }
    [[nodiscard]] bool getEnableMaxNumTokensTuning() const { return mEnableMaxNumTokensTuning; }
    [[nodiscard]] std::vector<std::pair<SizeType32, SizeType32>> getBatchSizeTable() const { return mBatchSizeTable; }

private:
    bool mEnableBatchSizeTuning;
    bool mEnableMaxNumTokensTuning;
    SizeType32 mDynamicBatchMovingAverageWindow;
    std::vector<std::pair<SizeType32, SizeType32>> mBatchSizeTable;
};

/// Which requests run together.
class SchedulerConfig {
public:
    explicit SchedulerConfig(
        CapacitySchedulerPolicy capacitySchedulerPolicy = CapacitySchedulerPolicy::kGUARANTEED_NO_EVICT,
        std::optional<ContextChunkingPolicy> contextChunkingPolicy = std::nullopt,
        std::optional<DynamicBatchConfig> dynamicBatchConfig = std::nullopt);

    bool operator==(SchedulerConfig const& other) const;

    [[nodiscard]] CapacitySchedulerPolicy getCapacitySchedulerPolicy() const { return mCapacitySchedulerPolicy; }
    /// Unset: first come, first served.
    [[nodiscard]] std::optional<ContextChunkingPolicy> getContextChunkingPolicy() const {
        return mContextChunkingPolicy;
    }
    [[nodiscard]] std::optional<DynamicBatchConfig> getDynamicBatchConfig() const { return mDynamicBatchConfig; }

private:
    CapacitySchedulerPolicy mCapacitySchedulerPolicy;
    std::optional<ContextChunkingPolicy> mContextChunkingPolicy;
    std::optional<DynamicBatchConfig> mDynamicBatchConfig;
};

/// Size and use of the key/value caches. The tightest of several limits holds.
///
/// The constructor and the setters throw TllmException for a value outside the range of its field.
///
/// Field                           Meaning                                                               Range
/// enableBlockReuse                share blocks between equal decoder prompts; only safe for models whose
///                                 decoder cache depends on nothing else, so not for encoder-decoder
/// maxTokens                       most tokens in the cache                                              > 0
/// maxAttentionWindowVec           attention window per layer, repeated over the layers                  each > 0
/// sinkTokenLength                 leading tokens that stay visible with a window                        > 0
/// freeGpuMemoryFraction           share of the memory that is free after loading; 0.9 if unset          (0, 1)
/// hostCacheSize                   bytes of host memory that blocks may be moved to
/// onboardBlocks                   bring moved blocks back before use
/// crossKvCacheFraction            share of the cross-attention cache; the rest is self-attention's. An
///                                 encoder-decoder model requires it, others refuse it                   (0, 1)
/// secondaryOffloadMinPriority     only blocks above this priority are moved to the host
/// eventBufferMaxSize              cache events kept for the reader; 0: off
/// enablePartialReuse              reuse blocks that match in part
/// copyOnPartialReuse              ... even those in use, by copying
/// useUvm                          unified memory
/// attentionDpEventsGatherPeriodMs period of gathering events, in ms                                     > 0
/// maxGpuTotalBytes                bytes of both caches; 0: no limit of this kind
class KvCacheConfig {
public:
    static constexpr auto kDefaultGpuMemFraction = 0.9F;

    explicit KvCacheConfig(bool enableBlockReuse = true, std::optional<SizeType32> const& maxTokens = std::nullopt,
        std::optional<std::vector<SizeType32>> const& maxAttentionWindowVec = std::nullopt,
        std::optional<SizeType32> const& sinkTokenLength = std::nullopt,
        std::optional<FloatType> const& freeGpuMemoryFraction = std::nullopt,
        std::optional<std::size_t> const& hostCacheSize = std::nullopt, bool onboardBlocks = true,
        std::optional<FloatType> const& crossKvCacheFraction = std::nullopt,
        std::optional<RetentionPriority> secondaryOffloadMinPriority = std::nullopt, std::size_t eventBufferMaxSize = 0,
        bool enablePartialReuse = true, bool copyOnPartialReuse = true, bool useUvm = false,
        SizeType32 attentionDpEventsGatherPeriodMs = 5);

    [[nodiscard]] bool getEnableBlockReuse() const { return mEnableBlockReuse; }
    [[nodiscard]] bool getEnablePartialReuse() const { return mEnablePartialReuse; }
    [[nodiscard]] bool getCopyOnPartialReuse() const { return mCopyOnPartialReuse; }
    [[nodiscard]] std::optional<SizeType32> getMaxTokens() const { return mMaxTokens; }
    [[nodiscard]] std::optional<std::vector<SizeType32>> getMaxAttentionWindowVec() const {
        return mMaxAttentionWindowVec;
    }
    [[nodiscard]] std::optional<SizeType32> getSinkTokenLength() const { return mSinkTokenLength; }
    [[nodiscard]] std::optional<FloatType> getFreeGpuMemoryFraction() const { return mFreeGpuMemoryFraction; }
    [[nodiscard]] std::optional<FloatType> getCrossKvCacheFraction() const { return mCrossKvCacheFraction; }
    [[nodiscard]] std::optional<std::size_t> getHostCacheSize() const { return mHostCacheSize; }
    [[nodiscard]] bool getOnboardBlocks() const { return mOnboardBlocks; }
    [[nodiscard]] std::optional<RetentionPriority> getSecondaryOffloadMinPriority() const {
        return mSecondaryOffloadMinPriority;
    }
    [[nodiscard]] std::size_t getEventBufferMaxSize() const { return mEventBufferMaxSize; }
    [[nodiscard]] bool getUseUvm() const { return mUseUvm; }
    [[nodiscard]] SizeType32 getAttentionDpEventsGatherPeriodMs() const { return mAttentionDpEventsGatherPeriodMs; }
    [[nodiscard]] std::uint64_t getMaxGpuTotalBytes() const { return mMaxGpuTotalBytes; }

    void setEnableBlockReuse(bool enableBlockReuse) { mEnableBlockReuse = enableBlockReuse; }
    void setEnablePartialReuse(bool enablePartialReuse) { mEnablePartialReuse = enablePartialReuse; }
    void setCopyOnPartialReuse(bool copyOnPartialReuse) { mCopyOnPartialReuse = copyOnPartialReuse; }
    void setMaxTokens(std::optional<SizeType32> maxTokens);
    void setMaxAttentionWindowVec(std::vector<SizeType32> maxAttentionWindowVec);
    void setSinkTokenLength(SizeType32 sinkTokenLength);
    void setFreeGpuMemoryFraction(FloatType freeGpuMemoryFraction);
    void setCrossKvCacheFraction(FloatType crossKvCacheFraction);
    void setHostCacheSize(std::size_t hostCacheSize) { mHostCacheSize = hostCacheSize; }
    void setOnboardBlocks(bool onboardBlocks) { mOnboardBlocks = onboardBlocks; }
    void setSecondaryOffloadMinPriority(std::optional<RetentionPriority> secondaryOffloadMinPriority) {
        mSecondaryOffloadMinPriority = secondaryOffloadMinPriority;
    }
    void setEventBufferMaxSize(std::size_t eventBufferMaxSize) { mEventBufferMaxSize = eventBufferMaxSize; }
    void setUseUvm(bool useUvm) { mUseUvm = useUvm; }
    void setAttentionDpEventsGatherPeriodMs(SizeType32 attentionDpEventsGatherPeriodMs);
    void setMaxGpuTotalBytes(std::uint64_t maxGpuTotalBytes) { mMaxGpuTotalBytes = maxGpuTotalBytes; }

private:
    bool mEnableBlockReuse;
    std::optional<SizeType32> mMaxTokens;
    std::optional<std::vector<SizeType32>> mMaxAttentionWindowVec;
    std::optional<SizeType32> mSinkTokenLength;
    std::optional<FloatType> mFreeGpuMemoryFraction;
    std::optional<std::size_t> mHostCacheSize;
    bool mOnboardBlocks;
    std::optional<FloatType> mCrossKvCacheFraction;
    std::optional<RetentionPriority> mSecondaryOffloadMinPriority;
    std::size_t mEventBufferMaxSize;
    bool mEnablePartialReuse;
    bool mCopyOnPartialReuse;
    bool mUseUvm;
    SizeType32 mAttentionDpEventsGatherPeriodMs;
    std::uint64_t mMaxGpuTotalBytes{0};
};

/// Switches of GPU kernels. Accepts any values.
class ExtendedRuntimePerfKnobConfig {
public:
    explicit ExtendedRuntimePerfKnobConfig(bool multiBlockMode = true, bool enableContextFMHAFP32Acc = false,
        bool cudaGraphMode = false, SizeType32 cudaGraphCacheSize = 0)
        : mMultiBlockMode(multiBlockMode)
        , mEnableContextFMHAFP32Acc(enableContextFMHAFP32Acc)
        , mCudaGraphMode(cudaGraphMode)
        , mCudaGraphCacheSize(cudaGraphCacheSize) {}

    bool operator==(ExtendedRuntimePerfKnobConfig const& other) const;

    [[nodiscard]] bool getMultiBlockMode() const { return mMultiBlockMode; }
    [[nodiscard]] bool getEnableContextFMHAFP32Acc() const { return mEnableContextFMHAFP32Acc; }
    [[nodiscard]] bool getCudaGraphMode() const { return mCudaGraphMode; }
    /// Number of graphs.
    [[nodiscard]] SizeType32 getCudaGraphCacheSize() const { return mCudaGraphCacheSize; }

    void setMultiBlockMode(bool multiBlockMode) { mMultiBlockMode = multiBlockMode; }
    void setEnableContextFMHAFP32Acc(bool enable) { mEnableContextFMHAFP32Acc = enable; }
    void setCudaGraphMode(bool cudaGraphMode) { mCudaGraphMode = cudaGraphMode; }
    void setCudaGraphCacheSize(SizeType32 cacheSize) { mCudaGraphCacheSize = cacheSize; }

private:
    bool mMultiBlockMode;
    bool mEnableContextFMHAFP32Acc;
    bool mCudaGraphMode;
    SizeType32 mCudaGraphCacheSize;
};

/// How tokens are chosen by all requests of an engine. NVIDIA's class also configures decoding with drafts, which
/// encoder-decoder models do not have.
class DecodingConfig {
public:
    explicit DecodingConfig(std::optional<DecodingMode> decodingMode = std::nullopt)
        : mDecodingMode(decodingMode) {}

    bool operator==(DecodingConfig const& other) const = default;

    void setDecodingMode(DecodingMode const& decodingMode) { mDecodingMode = decodingMode; }
    [[nodiscard]] std::optional<DecodingMode> getDecodingMode() const { return mDecodingMode; }

private:
    std::optional<DecodingMode> mDecodingMode;
};

/// Which devices and processes run the model.
class ParallelConfig {
public:
    /// Throws TllmException if deviceIds is given but empty; so does the setter.
    explicit ParallelConfig(CommunicationType commType = CommunicationType::kMPI,
        CommunicationMode commMode = CommunicationMode::kLEADER,
        std::optional<std::vector<SizeType32>> deviceIds = std::nullopt,
        std::optional<std::vector<SizeType32>> participantIds = std::nullopt);

    [[nodiscard]] CommunicationType getCommunicationType() const { return mCommType; }
    [[nodiscard]] CommunicationMode getCommunicationMode() const { return mCommMode; }
    [[nodiscard]] std::optional<std::vector<SizeType32>> getDeviceIds() const { return mDeviceIds; }
    [[nodiscard]] std::optional<std::vector<SizeType32>> getParticipantIds() const { return mParticipantIds; }
    [[nodiscard]] std::optional<SizeType32> getNumNodes() const { return mNumNodes; }

    void setCommunicationType(CommunicationType type) { mCommType = type; }
    void setCommunicationMode(CommunicationMode mode) { mCommMode = mode; }
    void setDeviceIds(std::vector<SizeType32> const& deviceIds);
    void setParticipantIds(std::vector<SizeType32> const& participantIds) { mParticipantIds = participantIds; }
    void setNumNodes(SizeType32 numNodes) { mNumNodes = numNodes; }

private:
    CommunicationType mCommType;
    CommunicationMode mCommMode;
    std::optional<std::vector<SizeType32>> mDeviceIds;
    std::optional<std::vector<SizeType32>> mParticipantIds;
    std::optional<SizeType32> mNumNodes;
};

/// Functions that change the logits of requests which ask for it, before anything else is done with them.
///
/// They run on the executor's thread, which waits for them. The logits are a tensor of rank 3, [1, beams, vocabulary].
class LogitsPostProcessorConfig {
public:
    explicit LogitsPostProcessorConfig(std::optional<LogitsPostProcessorMap> processorMap = std::nullopt,
        std::optional<LogitsPostProcessorBatched> processorBatched = std::nullopt, bool replicate = true);

    /// By the name that Request::setLogitsPostProcessorName() asks for.
    [[nodiscard]] std::optional<LogitsPostProcessorMap> getProcessorMap() const { return mProcessorMap; }
    /// Called once per iteration with all requests that ask for Request::kBatchedPostProcessorName.
    [[nodiscard]] std::optional<LogitsPostProcessorBatched> getProcessorBatched() const { return mProcessorBatched; }
    /// Whether every tensor-parallel rank runs them.
    [[nodiscard]] bool getReplicate() const { return mReplicate; }

    void setProcessorMap(LogitsPostProcessorMap const& processorMap) { mProcessorMap = processorMap; }
    void setProcessorBatched(LogitsPostProcessorBatched const& processorBatched) {
        mProcessorBatched = processorBatched;
    }
    void setReplicate(bool replicate) { mReplicate = replicate; }

private:
    std::optional<LogitsPostProcessorMap> mProcessorMap;
    std::optional<LogitsPostProcessorBatched> mProcessorBatched;
    bool mReplicate;
};

/// Size and use of the adapter caches. Accepts any values. A module-layer is one adapted module of one layer.
class PeftCacheConfig {
public:
    static constexpr SizeType32 kDefaultOptimalAdapterSize = 8;
    static constexpr SizeType32 kDefaultMaxAdapterSize = 64;
    static constexpr SizeType32 kDefaultMaxPagesPerBlockHost = 24;
    static constexpr SizeType32 kDefaultMaxPagesPerBlockDevice = 8;

    explicit PeftCacheConfig(SizeType32 numHostModuleLayer = 0, SizeType32 numDeviceModuleLayer = 0,
        SizeType32 optimalAdapterSize = kDefaultOptimalAdapterSize, SizeType32 maxAdapterSize = kDefaultMaxAdapterSize,
        SizeType32 numPutWorkers = 1, SizeType32 numEnsureWorkers = 1, SizeType32 numCopyStreams = 1,
        SizeType32 maxPagesPerBlockHost = kDefaultMaxPagesPerBlockHost,
        SizeType32 maxPagesPerBlockDevice = kDefaultMaxPagesPerBlockDevice,
        std::optional<float> const& deviceCachePercent = std::nullopt,
        std::optional<std::size_t> const& hostCacheSize = std::nullopt,
        std::optional<std::string> const& loraPrefetchDir = std::nullopt);

    bool operator==(PeftCacheConfig const& other) const;

    /// Module-layers of the host cache; 0: from getHostCacheSize().
    [[nodiscard]] SizeType32 getNumHostModuleLayer() const { return mNumHostModuleLayer; }
    /// Module-layers of the device cache; 0: from getDeviceCachePercent().
    [[nodiscard]] SizeType32 getNumDeviceModuleLayer() const { return mNumDeviceModuleLayer; }
    /// Rank that the cache's pages are made for.
    [[nodiscard]] SizeType32 getOptimalAdapterSize() const { return mOptimalAdapterSize; }
    /// Largest rank that the cache must hold.
    [[nodiscard]] SizeType32 getMaxAdapterSize() const { return mMaxAdapterSize; }
    [[nodiscard]] SizeType32 getNumPutWorkers() const { return mNumPutWorkers; }
    [[nodiscard]] SizeType32 getNumEnsureWorkers() const { return mNumEnsureWorkers; }
    [[nodiscard]] SizeType32 getNumCopyStreams() const { return mNumCopyStreams; }
    [[nodiscard]] SizeType32 getMaxPagesPerBlockHost() const { return mMaxPagesPerBlockHost; }
    [[nodiscard]] SizeType32 getMaxPagesPerBlockDevice() const { return mMaxPagesPerBlockDevice; }
    /// Share (0 ... 1) of the memory left after loading.
    [[nodiscard]] std::optional<float> getDeviceCachePercent() const { return mDeviceCachePercent; }
    /// Bytes.
    [[nodiscard]] std::optional<std::size_t> getHostCacheSize() const { return mHostCacheSize; }
    /// Folder of adapters to load at the start.
    [[nodiscard]] std::optional<std::string> getLoraPrefetchDir() const { return mLoraPrefetchDir; }

private:
    SizeType32 mNumHostModuleLayer;
    SizeType32 mNumDeviceModuleLayer;
    SizeType32 mOptimalAdapterSize;
    SizeType32 mMaxAdapterSize;
    SizeType32 mNumPutWorkers;
    SizeType32 mNumEnsureWorkers;
    SizeType32 mNumCopyStreams;
    SizeType32 mMaxPagesPerBlockHost;
    SizeType32 mMaxPagesPerBlockDevice;
    std::optional<float> mDeviceCachePercent;
    std::optional<std::size_t> mHostCacheSize;
    std::optional<std::string> mLoraPrefetchDir;
};

} // namespace tensorrt_llm::executor
