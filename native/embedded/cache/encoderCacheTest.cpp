#include "cache/encoderCache.h"

#include <gtest/gtest.h>

namespace embedded {
namespace {

using tensorrt_llm::executor::VecTokens;

constexpr SizeType32 kTOKENS_PER_BLOCK = 4;

class EncoderCacheTest : public ::testing::Test {
protected:
    /// Encodes an input and remembers it.
    EncodedInputPtr add(VecTokens const& tokens, std::uint64_t adapterVersion = 0) {
        SequenceBlocks blocks(mPool, kTOKENS_PER_BLOCK, static_cast<SizeType32>(tokens.size()));
        blocks.grow(static_cast<SizeType32>(tokens.size()));
        auto input = std::make_shared<EncodedInput>(EncodedInput{{tokens, adapterVersion}, std::move(blocks)});
        mCache.insert(input);
        return input;
    }

    EncodedInputPtr find(VecTokens const& tokens, std::uint64_t adapterVersion = 0) {
        return mCache.find({tokens, adapterVersion});
    }

    BlockPool mPool{6};
    EncoderCache mCache{mPool, 2};
};

TEST_F(EncoderCacheTest, FindsEqualTokensOnly) {
    auto const input = add({1, 2, 3, 4, 5});
    EXPECT_EQ(find({1, 2, 3, 4, 5}), input);
    EXPECT_EQ(find({1, 2, 3, 4}), nullptr);
    EXPECT_EQ(find({1, 2, 3, 4, 6}), nullptr);
}

TEST_F(EncoderCacheTest, FindsTheInputOfTheSameAdapterOnly) {
    auto const plain = add({1, 2, 3});
    auto const adapted = add({1, 2, 3}, 7);
    EXPECT_EQ(find({1, 2, 3}), plain);
    EXPECT_EQ(find({1, 2, 3}, 7), adapted);
    EXPECT_EQ(find({1, 2, 3}, 8), nullptr);
}

TEST_F(EncoderCacheTest, BlocksOfUnusedInputsCountAsRetained) {
    auto input = add({1, 2, 3, 4, 5});
    EXPECT_EQ(mCache.numRetainedBlocks(), 0);
    input.reset();
    EXPECT_EQ(mCache.numRetainedBlocks(), 2);
    auto const found = find({1, 2, 3, 4, 5});
    EXPECT_TRUE(EncoderCache::isRetained(found, 1));
    mCache.reuse(found);
    EXPECT_EQ(mCache.numHits(), 1U);
    EXPECT_EQ(mCache.numReusedBlocks(), 2U);
}

TEST_F(EncoderCacheTest, MakesRoomFromTheLeastRecentlyUsed) {
    (void)add({1, 1, 1, 1, 1});
    (void)add({2, 2, 2, 2, 2});
    auto const used = add({3, 3, 3, 3, 3});
    mCache.reuse(find({1, 1, 1, 1, 1}));
    EXPECT_EQ(mPool.numFree(), 0);
    mCache.makeRoom(1);
    EXPECT_EQ(find({2, 2, 2, 2, 2}), nullptr);
    EXPECT_NE(find({1, 1, 1, 1, 1}), nullptr);
    mCache.makeRoom(6);
    EXPECT_EQ(mPool.numFree(), 4) << "what is in use stays";
    EXPECT_EQ(find({3, 3, 3, 3, 3}), used);
}

TEST_F(EncoderCacheTest, TrimKeepsTheBound) {
    (void)add({1});
    (void)add({2});
    (void)add({3});
    mCache.trim();
    EXPECT_EQ(find({1}), nullptr);
    EXPECT_NE(find({2}), nullptr);
    EXPECT_EQ(mPool.numUsed(), 2);
}

TEST_F(EncoderCacheTest, ClearForgetsButDoesNotTakeAway) {
    auto const used = add({1, 2});
    mCache.clear();
    EXPECT_EQ(find({1, 2}), nullptr);
    EXPECT_EQ(mPool.numUsed(), 1);
}

TEST_F(EncoderCacheTest, ABoundOfZeroRemembersNothing) {
    EncoderCache off(mPool, 0);
    EncoderInput const input{.tokens = {1}};
    off.insert(std::make_shared<EncodedInput>(EncodedInput{input, SequenceBlocks(mPool, kTOKENS_PER_BLOCK, 1)}));
    EXPECT_EQ(off.find(input), nullptr);
    EXPECT_EQ(off.numMisses(), 0U);
}

} // namespace
} // namespace embedded
