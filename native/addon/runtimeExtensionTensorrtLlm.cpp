/// The extension of an installed TensorRT-LLM, which has none of what the embedded runtime adds to the API: it is told
/// its limits, and its state is what its statistics say.
#include "runtimeExtension.h"
#include "signalHandlers.h"

#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <utility>

#if TRTLLM_NODE_API_VERSION < 10200 || TRTLLM_NODE_API_VERSION >= 10300
#error "trtllm-node is written for TensorRT-LLM 1.2"
#endif

namespace trtllm_node {
namespace {

namespace tle = tensorrt_llm::executor;

tle::BufferView viewOf(ModelBuffer const& buffer) {
    return {buffer.engine.data(), buffer.engine.size()};
}

std::unique_ptr<tle::Executor> construct(ModelSource const& model, tle::ExecutorConfig const& config) {
    CrashHandlersGuard const guard;
    auto const& [encoderPath, decoderPath, encoder, decoder, modelType] = model;
    if (decoder && encoder) {
        return std::make_unique<tle::Executor>(
            viewOf(*encoder), encoder->config, viewOf(*decoder), decoder->config, modelType, config);
    }
    if (decoder) {
        return std::make_unique<tle::Executor>(viewOf(*decoder), decoder->config, modelType, config);
    }
    if (encoderPath.empty()) {
        return std::make_unique<tle::Executor>(decoderPath, modelType, config);
    }
    return std::make_unique<tle::Executor>(encoderPath, decoderPath, modelType, config);
}

std::int32_t usedBlocks(std::optional<tle::KvCacheStats> const& stats) {
    return stats ? stats->usedNumBlocks : 0;
}

class TensorrtLlmExecutor : public RuntimeExecutor {
public:
    TensorrtLlmExecutor(
        std::unique_ptr<tle::Executor> executor, tle::ExecutorConfig const& config, RuntimeLimits limits)
        : mExecutor(std::move(executor))
        , mLimits(std::move(limits))
        , mMaxRecords(static_cast<std::size_t>(config.getIterStatsMaxIterations())) {}

    [[nodiscard]] tle::Executor& executor() override { return *mExecutor; }

    [[nodiscard]] RuntimeLimits limits() const override { return mLimits; }

    /// Reads the records ahead of takeIterationStats(), which gets them all the same.
    [[nodiscard]] RuntimeSnapshot snapshot() override {
        if (mMaxRecords == 0) {
            throw std::runtime_error("[ERR_UNSUPPORTED] this runtime has no snapshot with iterStatsMaxIterations 0");
        }
        std::lock_guard const lock(mMutex);
        readRecords();
        return mSnapshot;
    }

    /// Its cache drops what has not been used for long.
    void releaseAdapter(std::uint64_t) override {}
    void pinAdapter(std::uint64_t, bool) override {}

    [[nodiscard]] std::deque<tle::IterationStats> takeIterationStats() override {
        std::lock_guard const lock(mMutex);
        readRecords();
        return std::exchange(mRecords, {});
    }

private:
    void readRecords() {
        for (auto& record : mExecutor->getLatestIterationStats()) {
            mRecords.push_back(std::move(record));
        }
        while (mRecords.size() > mMaxRecords) {
            mRecords.pop_front();
        }
        if (mRecords.empty()) {
            return; // nothing new: the last snapshot holds
        }
        auto const& last = mRecords.back();
        mSnapshot.numQueuedRequests = last.numQueuedRequests;
        mSnapshot.numActiveRequests = last.numActiveRequests;
        mSnapshot.usedSelfBlocks = usedBlocks(last.kvCacheStats);
        mSnapshot.usedCrossBlocks = usedBlocks(last.crossKvCacheStats);
        mSnapshot.iteration = last.iter;
    }

    std::unique_ptr<tle::Executor> mExecutor;
    RuntimeLimits mLimits;
    std::size_t mMaxRecords;
    std::mutex mMutex;
    std::deque<tle::IterationStats> mRecords;
    RuntimeSnapshot mSnapshot;
};

} // namespace

std::optional<std::chrono::steady_clock::time_point> encodedTime(tle::Response const&) {
    return std::nullopt;
}

std::optional<std::int32_t> stableBeamPrefix(tle::Response const&) {
    return std::nullopt;
}

char const* runtimeName() {
    return "tensorrt-llm";
}

std::vector<std::string> runtimeCapabilities() {
    return {"encoderInputFeatures", "gpuWeightsPercent", "useGpuDirectStorage", "extendedRuntimePerfKnobConfig",
        "maxSeqIdleMicroseconds", "enableTrtOverlap", "parallel", "kvCache.hostCacheSize", "kvCache.useUvm",
        "kvCache.maxGpuTotalBytes"};
}

std::unique_ptr<RuntimeExecutor> createRuntimeExecutor(
    ModelSource const& model, tle::ExecutorConfig const& config, RuntimeOptions const& options) {
    return std::make_unique<TensorrtLlmExecutor>(construct(model, config), config, options.engineLimits);
}

} // namespace trtllm_node
