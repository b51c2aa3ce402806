/// The blocks that one sequence holds in one pool.
#pragma once

#include "cache/blockPool.h"

#include <optional>
#include <span>
#include <vector>

namespace embedded {

/// Grows token by token, returns everything to the pool on destruction. Sequences with a common beginning share its
/// blocks: fork() and, before the next token is written, separateLast().
class SequenceBlocks {
public:
    /// @param maxTokens most tokens that the sequence will hold; block ids keep their address up to there
    SequenceBlocks(BlockPool& pool, SizeType32 tokensPerBlock, SizeType32 maxTokens);
    ~SequenceBlocks();
    SequenceBlocks(SequenceBlocks&& other) noexcept;
    SequenceBlocks& operator=(SequenceBlocks&& other) = delete;
    SequenceBlocks(SequenceBlocks const&) = delete;
    SequenceBlocks& operator=(SequenceBlocks const&) = delete;

    /// A sequence of the same tokens that shares every block.
    [[nodiscard]] SequenceBlocks fork() const;

    /// Takes a block of its own for the last one if that has room for the next token and another sequence holds it too.
    /// @returns then the former block, whose contents are to be copied to the new one
    std::optional<SizeType32> separateLast();

    /// Makes room for `numTokens` more tokens.
    void grow(SizeType32 numTokens);

    [[nodiscard]] SizeType32 numTokens() const { return mNumTokens; }
    [[nodiscard]] SizeType32 numBlocks() const { return static_cast<SizeType32>(mBlocks.size()); }
    [[nodiscard]] SizeType32 const* ids() const { return mBlocks.data(); }

    /// The block that holds the token at `position`, and the place within the block.
    [[nodiscard]] SizeType32 blockAt(SizeType32 position) const;
    [[nodiscard]] SizeType32 offsetAt(SizeType32 position) const { return position % mTokensPerBlock; }

private:
    [[nodiscard]] SizeType32 maxTokens() const { return static_cast<SizeType32>(mBlocks.capacity()) * mTokensPerBlock; }

    BlockPool* mPool;
    SizeType32 mTokensPerBlock;
    SizeType32 mNumTokens = 0;
    std::vector<SizeType32> mBlocks;
};

/// Blocks that sequences with a common beginning hold together, shared ones counted once.
[[nodiscard]] SizeType32 countDistinct(std::span<SequenceBlocks const> sequences);

} // namespace embedded
