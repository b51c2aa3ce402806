/// One encoder input that is or was in the cross-attention cache.
#pragma once

#include "cache/sequenceBlocks.h"

#include "tensorrt_llm/executor/types.h"

#include <memory>

namespace embedded {

/// Shared by every request with the same input; the blocks go back to the pool with the last owner.
struct EncodedInput {
    tensorrt_llm::executor::VecTokens tokens;
    SequenceBlocks blocks;
};

using EncodedInputPtr = std::shared_ptr<EncodedInput const>;

} // namespace embedded
