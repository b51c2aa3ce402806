#include "cache/sequenceBlocks.h"

#include "cache/blockCounts.h"

#include <algorithm>
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

SequenceBlocks SequenceBlocks::fork() const {
    SequenceBlocks copy(*mPool, mTokensPerBlock, maxTokens());
    copy.mNumTokens = mNumTokens;
    copy.mBlocks.assign(mBlocks.begin(), mBlocks.end()); // keeps what was reserved
    for (auto const block : mBlocks) {
        mPool->share(block);
    }
    return copy;
}

std::optional<SizeType32> SequenceBlocks::separateLast() {
    if (mNumTokens % mTokensPerBlock == 0 || !mPool->isShared(mBlocks.back())) {
        return std::nullopt;
    }
    SizeType32 const own = mPool->allocate();
    SizeType32 const shared = std::exchange(mBlocks.back(), own);
    mPool->release(shared);
    return shared;
}

SizeType32 SequenceBlocks::blockAt(SizeType32 position) const {
    return mBlocks[static_cast<std::size_t>(position / mTokensPerBlock)];
}

SizeType32 countDistinct(std::span<SequenceBlocks const> sequences) {
    std::vector<SizeType32> blocks;
    for (auto const& sequence : sequences) {
        blocks.insert(blocks.end(), sequence.ids(), sequence.ids() + sequence.numBlocks());
    }
    std::ranges::sort(blocks);
    return static_cast<SizeType32>(std::ranges::unique(blocks).begin() - blocks.begin());
}

} // namespace embedded
