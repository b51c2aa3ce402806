/// What NVIDIA's Executor API has no field for, and the only call of the addon outside that API.
///
/// Each runtime implements this header once (runtimeExtensionEmbedded.cpp, …); CMake picks the file.
#pragma once

#include <tensorrt_llm/executor/executor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace trtllm_node {

struct RuntimeOptions {
    /// Threads for the arithmetic; 0: min of physical cores, affinity and cgroup quota.
    std::int32_t threads = 0;
    /// Stored type of the weights: "auto" (BF16 checkpoints stay BF16, all others FP32), "float32" or "bfloat16".
    std::string weights = "auto";
};

/// What a loaded engine accepts; requests are checked against it before they are enqueued.
struct RuntimeLimits {
    std::int32_t maxBatchSize;
    std::int32_t maxNumTokens;
    std::int32_t maxBeamWidth;
    std::int32_t maxInputLength;    ///< longest encoder input, tokens
    std::int32_t maxSequenceLength; ///< decoder prompt plus generated tokens
    std::int32_t encoderVocabSize;
    std::int32_t decoderVocabSize;
    std::int32_t tokensPerBlock;
    std::int32_t numSelfBlocks;
    std::int32_t numCrossBlocks;
    std::int32_t threads;
    std::string weights; ///< "float32" or "bfloat16"
};

/// The state between two iterations.
struct RuntimeSnapshot {
    std::int32_t numQueuedRequests;
    std::int32_t numActiveRequests;
    std::int32_t usedSelfBlocks;
    std::int32_t usedCrossBlocks;
    std::uint64_t iteration;
};

/// An Executor with the calls that its class lacks. Every method may be called from any thread.
class RuntimeExecutor {
public:
    virtual ~RuntimeExecutor() = default;
    [[nodiscard]] virtual tensorrt_llm::executor::Executor& executor() = 0;
    [[nodiscard]] virtual RuntimeLimits limits() const = 0;
    [[nodiscard]] virtual RuntimeSnapshot snapshot() const = 0;
};

/// "embedded" or "tensorrt-llm".
[[nodiscard]] char const* runtimeName();

/// Names of the RuntimeOptions fields and calls that this runtime has; TypeScript refuses the others by name.
[[nodiscard]] std::vector<std::string> runtimeCapabilities();

/// Loads an encoder-decoder pair. Blocks for as long as loading takes.
/// @throws std::exception with a message that starts with "[ERR_…]" where the cause is known.
[[nodiscard]] std::unique_ptr<RuntimeExecutor> createRuntimeExecutor(std::filesystem::path const& encoderPath,
    std::filesystem::path const& decoderPath, tensorrt_llm::executor::ExecutorConfig const& config,
    RuntimeOptions const& options);

} // namespace trtllm_node
