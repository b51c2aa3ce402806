/// How many blocks a request needs: the arithmetic of TensorRT-LLM's KV cache manager, which admission reserves by.
#pragma once

#include "tensorrt_llm/executor/types.h"

namespace embedded {

using tensorrt_llm::executor::SizeType32;

[[nodiscard]] constexpr SizeType32 blocksFor(SizeType32 numTokens, SizeType32 tokensPerBlock) {
    return (numTokens + tokensPerBlock - 1) / tokensPerBlock;
}

/// Self-attention blocks from start to completion: every prompt and generated token has a place in each beam; whole
/// blocks of the prompt are shared.
[[nodiscard]] constexpr SizeType32 selfBlocksToCompletion(
    SizeType32 promptLength, SizeType32 maxNewTokens, SizeType32 tokensPerBlock, SizeType32 beamWidth) {
    SizeType32 const promptBlocks = promptLength / tokensPerBlock;
    return promptBlocks + (blocksFor(promptLength + maxNewTokens, tokensPerBlock) - promptBlocks) * beamWidth;
}

/// Cross-attention blocks: written once when the encoder has run.
[[nodiscard]] constexpr SizeType32 crossBlocksToCompletion(SizeType32 encoderLength, SizeType32 tokensPerBlock) {
    return blocksFor(encoderLength, tokensPerBlock);
}

} // namespace embedded
