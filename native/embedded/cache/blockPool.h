/// The free list of one paged cache. Knows ids only, no memory and no model.
#pragma once

#include "tensorrt_llm/executor/types.h"

#include <vector>

namespace embedded {

using tensorrt_llm::executor::SizeType32;

/// Ids 0 … numBlocks-1. The block freed last is handed out first, so that a lightly used pool touches little memory.
/// Not thread-safe: belongs to the engine thread.
class BlockPool {
public:
    explicit BlockPool(SizeType32 numBlocks);

    /// REQUIRES: numFree() > 0; admission has reserved the block.
    [[nodiscard]] SizeType32 allocate();
    void release(SizeType32 block);

    [[nodiscard]] SizeType32 numBlocks() const { return mNumBlocks; }
    [[nodiscard]] SizeType32 numFree() const { return static_cast<SizeType32>(mFree.size()); }
    [[nodiscard]] SizeType32 numUsed() const { return mNumBlocks - numFree(); }
    /// Calls of allocate() since the start.
    [[nodiscard]] SizeType32 numAllocations() const { return mNumAllocations; }

private:
    SizeType32 mNumBlocks;
    SizeType32 mNumAllocations = 0;
    std::vector<SizeType32> mFree;
};

} // namespace embedded
