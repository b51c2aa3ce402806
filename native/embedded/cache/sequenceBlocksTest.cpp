#include "cache/sequenceBlocks.h"

#include "cache/blockCounts.h"

#include <gtest/gtest.h>
#include <set>

namespace embedded {
namespace {

TEST(BlockPool, HandsOutEveryBlockOnceThenFails) {
    BlockPool pool(5);
    std::set<SizeType32> seen;
    while (pool.numFree() > 0) {
        seen.insert(pool.allocate());
    }
    EXPECT_EQ(seen, (std::set<SizeType32>{0, 1, 2, 3, 4}));
    EXPECT_THROW((void)pool.allocate(), std::logic_error);
    pool.release(3);
    EXPECT_EQ(pool.numUsed(), 4);
    EXPECT_EQ(pool.allocate(), 3);
}

TEST(SequenceBlocks, GrowsByWholeBlocksAndReturnsThem) {
    BlockPool pool(10);
    {
        SequenceBlocks blocks(pool, 4, 12);
        auto const* const ids = blocks.ids();
        for (SizeType32 token = 1; token <= 12; ++token) {
            blocks.grow(1);
            EXPECT_EQ(blocks.numBlocks(), (token + 3) / 4);
            EXPECT_EQ(blocks.offsetAt(token - 1), (token - 1) % 4);
            EXPECT_EQ(blocks.blockAt(token - 1), blocks.ids()[(token - 1) / 4]);
        }
        EXPECT_EQ(blocks.ids(), ids) << "attention rows keep the address";
        EXPECT_EQ(pool.numUsed(), 3);
        SequenceBlocks const moved(std::move(blocks));
        EXPECT_EQ(moved.numTokens(), 12);
        EXPECT_EQ(pool.numUsed(), 3);
    }
    EXPECT_EQ(pool.numUsed(), 0);
}

/// Executor: total = ceil((prompt + new tokens) / tokens per block), cross = ceil(encoder length / …).
TEST(BlockCounts, FollowTheDocumentedArithmetic) {
    EXPECT_EQ(selfBlocksToCompletion(1, 31, 32, 1), 1);
    EXPECT_EQ(selfBlocksToCompletion(1, 32, 32, 1), 2);
    EXPECT_EQ(selfBlocksToCompletion(64, 64, 32, 1), 4);
    EXPECT_EQ(selfBlocksToCompletion(1, 31, 32, 4), 4);
    EXPECT_EQ(selfBlocksToCompletion(64, 64, 32, 4), 2 + 2 * 4);
    EXPECT_EQ(selfBlocksToCompletion(70, 10, 32, 4), 2 + 1 * 4) << "the last block of the prompt is not whole";
    EXPECT_EQ(crossBlocksToCompletion(1, 32), 1);
    EXPECT_EQ(crossBlocksToCompletion(65, 32), 3);
}

} // namespace
} // namespace embedded
