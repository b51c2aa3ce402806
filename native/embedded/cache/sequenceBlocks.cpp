#include "cache/sequenceBlocks.h"

#include "cache/blockCounts.h"

#include <utility>

namespace embedded {

SequenceBlocks::SequenceBlocks(BlockPool& pool, SizeType32 tokensPerBlock, SizeType32 maxTokens)
    : mPool(&pool)
    , mTokensPerBlock(tokensPerBlock) {
    mBlocks.reserve(static_cast<std::size_t>(blocksFor(maxTokens, tokensPerBlock)));
}

SequenceBlocks::~SequenceBlocks() {
    for (auto const block : mBlocks) {
        mPool->release(block);
    }
}

SequenceBlocks::SequenceBlocks(SequenceBlocks&& other) noexcept
    : mPool(other.mPool)
    , mTokensPerBlock(other.mTokensPerBlock)
    , mNumTokens(std::exchange(other.mNumTokens, 0))
    , mBlocks(std::move(other.mBlocks)) {
    other.mBlocks.clear();
}

void SequenceBlocks::grow(SizeType32 numTokens) {
    mNumTokens += numTokens;
    while (numBlocks() < blocksFor(mNumTokens, mTokensPerBlock)) {
        mBlocks.push_back(mPool->allocate());
    }
}

SizeType32 SequenceBlocks::blockAt(SizeType32 position) const {
    return mBlocks[static_cast<std::size_t>(position / mTokensPerBlock)];
}

} // namespace embedded
