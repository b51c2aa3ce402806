/// What NVIDIA's Executor API has no field for, and the only call of the addon outside that API.
///
/// Each runtime implements this header once (runtimeExtensionEmbedded.cpp, …); CMake picks the file.
#pragma once

#include <tensorrt_llm/executor/executor.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace trtllm_node {

/// What a loaded engine accepts; requests are checked against it before they are enqueued. What the runtime does not
/// tell is absent.
struct RuntimeLimits {
    std::int32_t maxBatchSize = 0;
    std::int32_t maxNumTokens = 0;
    std::int32_t maxBeamWidth = 0;
    std::int32_t maxInputLength = 0;    ///< longest encoder input, tokens
    std::int32_t maxSequenceLength = 0; ///< decoder prompt plus generated tokens
    std::int32_t encoderVocabSize = 0;
    std::int32_t decoderVocabSize = 0;
    std::int32_t tokensPerBlock = 0;
    std::int32_t encoderTokenBudget = 0;
    std::int32_t maxAdapterRank = 0; ///< largest rank of an adapter; 0: none can be applied
    std::optional<std::int32_t> numSelfBlocks;
    std::optional<std::int32_t> numCrossBlocks;
    std::optional<std::uint64_t>
        selfCacheBytes; ///< reserved for the self-attention cache; memory is taken as it is used
    std::optional<std::uint64_t> crossCacheBytes; ///< likewise for the cross-attention cache
    std::optional<std::int32_t> threads;
    std::optional<std::string> weights; ///< "float32", "bfloat16" or "int8"
};

struct RuntimeOptions {
    /// Threads for the arithmetic; 0: min of physical cores, affinity and cgroup quota.
    std::int32_t threads = 0;
    /// Stored type of the weights: "auto" (BF16 checkpoints stay BF16, all others FP32), "float32", "bfloat16" or
    /// "int8" (products of integers).
    std::string weights = "auto";
    /// Tokens of one cache block: 16, 32, 64 or 128.
    std::int32_t tokensPerBlock = 32;
    /// Most encoder tokens of one iteration, so that long inputs do not hold up running streams; >= 1. An input that is
    /// longer by itself runs alone.
    std::int32_t encoderTokenBudget = 256;
    /// Whether equal encoder inputs share one encoder pass and its cache blocks.
    bool reuseEncoder = true;
    /// What the engines were built for, for a runtime that does not tell it of itself.
    RuntimeLimits engineLimits;
};

/// Half of a model in memory that outlives the loading.
struct ModelBuffer {
    std::span<std::uint8_t const> engine; ///< embedded: the content of rank0.safetensors
    std::string config;                   ///< the text of config.json
};

/// Where a model is: both halves as folders or both in memory.
struct ModelSource {
    std::filesystem::path encoderPath; ///< empty: there is none
    std::filesystem::path decoderPath;
    std::optional<ModelBuffer> encoderBuffer;
    std::optional<ModelBuffer> decoderBuffer;
    /// Without an encoder, kENCODER_DECODER is the decoder of such a model alone, whose requests bring the encoder's
    /// output as encoderInputFeatures; kDECODER_ONLY is a model that never had one.
    tensorrt_llm::executor::ModelType modelType = tensorrt_llm::executor::ModelType::kENCODER_DECODER;
};

/// The state between two iterations. What the runtime does not have is absent.
struct RuntimeSnapshot {
    std::int32_t numQueuedRequests = 0;
    std::int32_t numActiveRequests = 0;
    std::int32_t usedSelfBlocks = 0;
    std::int32_t usedCrossBlocks = 0; ///< of requests; what is kept for reuse alone counts as free
    std::uint64_t iteration = 0;
    std::optional<std::int32_t> retainedCrossBlocks; ///< kept for reuse alone
    std::optional<std::uint64_t> encoderReuseHits;   ///< requests that found their input encoded, since the start
    std::optional<std::uint64_t> encoderReuseMisses; ///< requests that ran the encoder
};

/// An Executor with the calls that its class lacks. Every method may be called from any thread.
class RuntimeExecutor {
public:
    virtual ~RuntimeExecutor() = default;
    [[nodiscard]] virtual tensorrt_llm::executor::Executor& executor() = 0;
    [[nodiscard]] virtual RuntimeLimits limits() const = 0;
    /// Drops an adapter from the cache as soon as no request uses it; unknown ids are ignored. A runtime without this
    /// does nothing.
    virtual void releaseAdapter(std::uint64_t taskId) = 0;
    /// Keeps an adapter from eviction, from when it is or becomes cached, or no longer does. A runtime without this
    /// does nothing.
    virtual void pinAdapter(std::uint64_t taskId, bool isPinned) = 0;
    [[nodiscard]] virtual RuntimeSnapshot snapshot() = 0;
    /// What was recorded since the last call; reading takes it.
    [[nodiscard]] virtual std::deque<tensorrt_llm::executor::IterationStats> takeIterationStats() {
        return executor().getLatestIterationStats();
    }
};

/// When the request's cross-attention cache was filled; nothing if the runtime does not say or the request did not ask
/// for performance metrics.
[[nodiscard]] std::optional<std::chrono::steady_clock::time_point> encodedTime(
    tensorrt_llm::executor::Response const& response);

/// How many generated tokens at the beginning of the best beam no later response changes; nothing if the runtime does
/// not say.
[[nodiscard]] std::optional<std::int32_t> stableBeamPrefix(tensorrt_llm::executor::Response const& response);

/// "embedded" or "tensorrt-llm".
[[nodiscard]] char const* runtimeName();

/// Names of the RuntimeOptions fields, the options for GPUs ("kvCache.useUvm") and the calls ("releaseAdapter",
/// "pinAdapter") that this runtime has; TypeScript refuses the others by name. Also "mixedBeamWidths": requests of
/// several beam widths run side by side; without it TypeScript sends one width at a time. "encoderInputFeatures":
/// encoders may read features instead of tokens.
[[nodiscard]] std::vector<std::string> runtimeCapabilities();

/// Loads a model; blocks for as long as that takes.
/// @throws std::exception with a message that starts with "[ERR_…]" where the cause is known.
[[nodiscard]] std::unique_ptr<RuntimeExecutor> createRuntimeExecutor(
    ModelSource const& model, tensorrt_llm::executor::ExecutorConfig const& config, RuntimeOptions const& options);

} // namespace trtllm_node
