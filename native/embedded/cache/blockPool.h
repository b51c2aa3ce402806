/// Who owns the blocks of one paged cache. Knows ids only, no memory and no model.
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

    /// A block with one owner. REQUIRES: numFree() > 0; admission has reserved the block.
    [[nodiscard]] SizeType32 allocate();
    /// One more owner.
    void share(SizeType32 block) { ++mNumOwners[static_cast<std::size_t>(block)]; }
    /// One owner less; the last one's block is free.
    void release(SizeType32 block);
    [[nodiscard]] bool isShared(SizeType32 block) const { return mNumOwners[static_cast<std::size_t>(block)] > 1; }

    [[nodiscard]] SizeType32 numBlocks() const { return mNumBlocks; }
    [[nodiscard]] SizeType32 numFree() const { return static_cast<SizeType32>(mFree.size()); }
    [[nodiscard]] SizeType32 numUsed() const { return mNumBlocks - numFree(); }
    /// Calls of allocate() since the start.
    [[nodiscard]] SizeType32 numAllocations() const { return mNumAllocations; }

private:
    SizeType32 mNumBlocks;
    SizeType32 mNumAllocations = 0;
    std::vector<SizeType32> mFree;
    std::vector<SizeType32> mNumOwners; ///< of each block
};

} // namespace embedded
