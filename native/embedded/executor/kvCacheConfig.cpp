#include "executor/checks.h"
#include "tensorrt_llm/executor/configs.h"

#include <utility>

namespace tensorrt_llm::executor {

namespace {

using checks::checked;
using checks::kPOSITIVE;

constexpr checks::Range<FloatType> kPROPER_FRACTION{.above = 0.0F, .below = 1.0F};

} // namespace

KvCacheConfig::KvCacheConfig(bool enableBlockReuse, std::optional<SizeType32> const& maxTokens,
    std::optional<std::vector<SizeType32>> const& maxAttentionWindowVec,
    std::optional<SizeType32> const& sinkTokenLength, std::optional<FloatType> const& freeGpuMemoryFraction,
    std::optional<std::size_t> const& hostCacheSize, bool onboardBlocks,
    std::optional<FloatType> const& crossKvCacheFraction, std::optional<RetentionPriority> secondaryOffloadMinPriority,
    std::size_t eventBufferMaxSize, bool enablePartialReuse, bool copyOnPartialReuse, bool useUvm,
    SizeType32 attentionDpEventsGatherPeriodMs)
    : mEnableBlockReuse(enableBlockReuse)
    , mHostCacheSize(hostCacheSize)
    , mOnboardBlocks(onboardBlocks)
    , mSecondaryOffloadMinPriority(secondaryOffloadMinPriority)
    , mEventBufferMaxSize(eventBufferMaxSize)
    , mEnablePartialReuse(enablePartialReuse)
    , mCopyOnPartialReuse(copyOnPartialReuse)
    , mUseUvm(useUvm) {
    setMaxTokens(maxTokens);
    setAttentionDpEventsGatherPeriodMs(attentionDpEventsGatherPeriodMs);
    if (maxAttentionWindowVec) {
        setMaxAttentionWindowVec(*maxAttentionWindowVec);
    }
    if (sinkTokenLength) {
        setSinkTokenLength(*sinkTokenLength);
    }
    if (freeGpuMemoryFraction) {
        setFreeGpuMemoryFraction(*freeGpuMemoryFraction);
    }
    if (crossKvCacheFraction) {
        setCrossKvCacheFraction(*crossKvCacheFraction);
    }
}

void KvCacheConfig::setMaxTokens(std::optional<SizeType32> maxTokens) {
    mMaxTokens = checked("maxTokens", maxTokens, kPOSITIVE<SizeType32>);
}

void KvCacheConfig::setMaxAttentionWindowVec(std::vector<SizeType32> maxAttentionWindowVec) {
    checked("maxAttentionWindowVec", maxAttentionWindowVec, kPOSITIVE<SizeType32>);
    mMaxAttentionWindowVec = std::move(maxAttentionWindowVec);
}

void KvCacheConfig::setSinkTokenLength(SizeType32 sinkTokenLength) {
    mSinkTokenLength = checked("sinkTokenLength", sinkTokenLength, kPOSITIVE<SizeType32>);
}

void KvCacheConfig::setFreeGpuMemoryFraction(FloatType freeGpuMemoryFraction) {
    mFreeGpuMemoryFraction = checked("freeGpuMemoryFraction", freeGpuMemoryFraction, kPROPER_FRACTION);
}

void KvCacheConfig::setCrossKvCacheFraction(FloatType crossKvCacheFraction) {
    mCrossKvCacheFraction = checked("crossKvCacheFraction", crossKvCacheFraction, kPROPER_FRACTION);
}

void KvCacheConfig::setAttentionDpEventsGatherPeriodMs(SizeType32 attentionDpEventsGatherPeriodMs) {
    mAttentionDpEventsGatherPeriodMs =
        checked("attentionDpEventsGatherPeriodMs", attentionDpEventsGatherPeriodMs, kPOSITIVE<SizeType32>);
}

} // namespace tensorrt_llm::executor
