/// One encoder input that is or was in the cross-attention cache.
#pragma once

#include "cache/sequenceBlocks.h"

#include "tensorrt_llm/executor/types.h"

#include <cstdint>
#include <memory>

namespace embedded {

/// What an encoder pass and the cross-attention keys and values depend on.
struct EncoderInput {
    tensorrt_llm::executor::VecTokens tokens;
    std::uint64_t adapterVersion = 0; ///< Adapter::version(); 0: none

    bool operator==(EncoderInput const& other) const = default;
};

/// Shared by every request with the same input; the blocks go back to the pool with the last owner.
struct EncodedInput {
    EncoderInput input;
    SequenceBlocks blocks;
};

using EncodedInputPtr = std::shared_ptr<EncodedInput const>;

} // namespace embedded
