/// The blocks that one sequence holds in one pool.
#pragma once

#include "cache/blockPool.h"

#include <vector>

namespace embedded {

/// Grows token by token, returns everything to the pool on destruction. Move-only.
class SequenceBlocks {
public:
    /// @param maxTokens most tokens that the sequence will hold; block ids keep their address up to there
    SequenceBlocks(BlockPool& pool, SizeType32 tokensPerBlock, SizeType32 maxTokens);
    ~SequenceBlocks();
    SequenceBlocks(SequenceBlocks&& other) noexcept;
    SequenceBlocks& operator=(SequenceBlocks&& other) = delete;
    SequenceBlocks(SequenceBlocks const&) = delete;
    SequenceBlocks& operator=(SequenceBlocks const&) = delete;

    /// Makes room for `numTokens` more tokens.
    void grow(SizeType32 numTokens);

    [[nodiscard]] SizeType32 numTokens() const { return mNumTokens; }
    [[nodiscard]] SizeType32 numBlocks() const { return static_cast<SizeType32>(mBlocks.size()); }
    [[nodiscard]] SizeType32 const* ids() const { return mBlocks.data(); }

    /// The block that holds the token at `position`, and the place within the block.
    [[nodiscard]] SizeType32 blockAt(SizeType32 position) const;
    [[nodiscard]] SizeType32 offsetAt(SizeType32 position) const { return position % mTokensPerBlock; }

private:
    BlockPool* mPool;
    SizeType32 mTokensPerBlock;
    SizeType32 mNumTokens = 0;
    std::vector<SizeType32> mBlocks;
};

} // namespace embedded
