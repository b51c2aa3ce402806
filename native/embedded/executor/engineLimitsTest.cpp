#include "executor/engineLimits.h"

#include "testing/testData.h"
#include "testing/testExecutor.h"

#include <gtest/gtest.h>

namespace embedded {
namespace {

namespace texec = tensorrt_llm::executor;
using testing::errorOf;

constexpr std::uint64_t kPLENTY = std::uint64_t{1} << 50;

/// 2 layers of 4 heads of 16: keys and values of a token are 2 * 2 * 64 floats.
ModelConfig decoder() {
    ModelConfig config{};
    config.numLayers = 2;
    config.numHeads = 4;
    config.headSize = 16;
    return config;
}

constexpr std::uint64_t kBYTES_PER_TOKEN = 2 * 2 * 64 * 4;

texec::ExecutorConfig withCaches(std::optional<SizeType32> maxTokens = std::nullopt,
    std::optional<float> memoryFraction = std::nullopt, float crossFraction = 0.5F) {
    texec::KvCacheConfig kvCache(false);
    kvCache.setMaxTokens(maxTokens);
    kvCache.setCrossKvCacheFraction(crossFraction);
    if (memoryFraction) {
        kvCache.setFreeGpuMemoryFraction(*memoryFraction);
    }
    texec::ExecutorConfig config;
    config.setKvCacheConfig(kvCache);
    return config;
}

EngineLimits choose(
    texec::ExecutorConfig const& config, std::uint64_t available = kPLENTY, EmbeddedOptions const& options = {}) {
    return chooseLimits(config, {}, decoder(), options, available);
}

TEST(EngineLimits, HoldWhatTheDefaultsNeed) {
    EXPECT_EQ(cacheBytesPerToken(decoder()), kBYTES_PER_TOKEN);
    auto const limits = choose(withCaches());
    EXPECT_EQ(limits.maxBatchSize, 64);
    EXPECT_EQ(limits.maxInputLength, 8192);
    EXPECT_EQ(limits.maxSequenceLength, 4096);
    EXPECT_EQ(limits.numSelfBlocks, 64 * 4096 / 32);
    EXPECT_EQ(limits.numCrossBlocks, 64 * 8192 / 32);
}

TEST(EngineLimits, PositionTablesEndSequences) {
    auto withTable = decoder();
    withTable.maxPositions = 100;
    ModelConfig encoder{};
    encoder.maxPositions = 60;
    auto const limits = chooseLimits(withCaches(), encoder, withTable, {}, kPLENTY);
    EXPECT_EQ(limits.maxInputLength, 60);
    EXPECT_EQ(limits.maxSequenceLength, 100);
    encoder.maxPositions = 10'000;
    EXPECT_EQ(chooseLimits(withCaches(), encoder, withTable, {}, kPLENTY).maxInputLength, 8192);
}

TEST(EngineLimits, MaxTokensAppliesToEachPool) {
    auto const limits = choose(withCaches(100));
    EXPECT_EQ(limits.numSelfBlocks, 4); // ceil(100 / 32)
    EXPECT_EQ(limits.numCrossBlocks, 4);
    EXPECT_EQ(choose(withCaches(100), kPLENTY, {.tokensPerBlock = 16}).numSelfBlocks, 7);
}

TEST(EngineLimits, MemoryIsAQuarterUnlessSaidAndDividedByTheCrossFraction) {
    auto const blockBytes = kBYTES_PER_TOKEN * 32;
    auto const quarter = choose(withCaches(), 400 * blockBytes);
    EXPECT_EQ(quarter.numSelfBlocks, 50);
    EXPECT_EQ(quarter.numCrossBlocks, 50);
    auto const half = choose(withCaches(std::nullopt, 0.5F, 0.75F), 400 * blockBytes);
    EXPECT_EQ(half.numSelfBlocks, 50);
    EXPECT_EQ(half.numCrossBlocks, 150);
}

TEST(EngineLimits, NotOneBlockIsAnError) {
    auto const error = errorOf([] { (void)choose(withCaches(), 1000); });
    EXPECT_TRUE(error.starts_with("[ERR_OUT_OF_MEMORY]")) << error;
    EXPECT_NE(error.find("250 bytes"), std::string::npos) << error;
}

TEST(EngineLimits, EncoderBudgetAndReuseFollowTheOptions) {
    auto small = withCaches();
    small.setMaxNumTokens(100);
    small.setMaxBatchSize(8);
    auto const limits = choose(small);
    EXPECT_EQ(limits.encoderTokenBudget, 100) << "not above maxNumTokens";
    EXPECT_EQ(limits.maxRetainedInputs, 8);
    EXPECT_EQ(choose(small, kPLENTY, {.reuseEncoder = false}).maxRetainedInputs, 0);
}

} // namespace
} // namespace embedded
