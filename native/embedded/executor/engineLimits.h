/// The sizes that a checkpoint does not fix and an engine needs.
#pragma once

#include "executor/model.h"
#include "lora/adapterLimits.h"
#include "model/modelConfig.h"

#include "tensorrt_llm/executor/executor.h"

#include <cstdint>

namespace embedded {

struct EngineLimits {
    SizeType32 maxBatchSize;       ///< requests in progress at a time
    SizeType32 maxBeamWidth;       ///< at most maxNumTokens: the beams of a request run together
    SizeType32 maxNumTokens;       ///< rows of one encoder or decoder step
    SizeType32 maxInputLength;     ///< encoder tokens of one request
    SizeType32 maxSequenceLength;  ///< decoder prompt and generated tokens of one request
    SizeType32 encoderTokenBudget; ///< encoder rows of one step, unless one input alone is longer
    SizeType32 maxRetainedInputs;  ///< encoded inputs kept for reuse after their last request; 0: no reuse
    SizeType32 tokensPerBlock;
    SizeType32 numSelfBlocks;
    SizeType32 numCrossBlocks;
    AdapterLimits adapters;
};

/// Bytes of keys and values of one token over all decoder layers; the same for self- and cross-attention.
[[nodiscard]] std::uint64_t cacheBytesPerToken(ModelConfig const& decoder);

/// Applies the configuration to the defaults: 64 requests, 8192 tokens, sequences of 4096 tokens. A component with a
/// table of positions takes no more tokens than that has rows.
///
/// Each pool holds what the limits need; if both together exceed the budget, crossKvCacheFraction divides it. Budget =
/// freeGpuMemoryFraction (default 0.25) of `availableBytes`. KvCacheConfig::maxTokens caps each pool.
/// @throws TllmException for a configuration that this runtime refuses
[[nodiscard]] EngineLimits chooseLimits(tensorrt_llm::executor::ExecutorConfig const& config,
    ModelConfig const& encoder, ModelConfig const& decoder, EmbeddedOptions const& options,
    std::uint64_t availableBytes);

} // namespace embedded
