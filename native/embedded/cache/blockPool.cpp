#include "cache/blockPool.h"

#include <stdexcept>

namespace embedded {

BlockPool::BlockPool(SizeType32 numBlocks)
    : mNumBlocks(numBlocks)
    , mNumOwners(static_cast<std::size_t>(numBlocks), 0) {
    mFree.reserve(static_cast<std::size_t>(numBlocks));
    for (SizeType32 block = numBlocks - 1; block >= 0; --block) {
        mFree.push_back(block);
    }
}

SizeType32 BlockPool::allocate() {
    if (mFree.empty()) {
        throw std::logic_error("[ERR_RUNTIME] block pool exhausted: a block was allocated that was not reserved");
    }
    SizeType32 const block = mFree.back();
    mFree.pop_back();
    ++mNumAllocations;
    mNumOwners[static_cast<std::size_t>(block)] = 1;
    return block;
}

void BlockPool::release(SizeType32 block) {
    if (--mNumOwners[static_cast<std::size_t>(block)] == 0) {
        mFree.push_back(block);
    }
}

} // namespace embedded
