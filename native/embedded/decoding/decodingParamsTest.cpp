#include "decoding/decodingParams.h"

#include <gtest/gtest.h>
#include <limits>

namespace embedded {
namespace {

using texec::SamplingConfig;

texec::Request requestWith(SamplingConfig const& config) {
    return texec::Request({0, 4, 2}, 100, false, config);
}

DecodingParams paramsWith(void (*change)(SamplingConfig&)) {
    SamplingConfig config;
    change(config);
    return decodingParams(requestWith(config), 10);
}

TEST(DecodingParams, DefaultsAreTheExecutors) {
    auto const params = decodingParams(requestWith(SamplingConfig()), 17);
    EXPECT_EQ(params.beamWidth, 1);
    EXPECT_EQ(params.numReturnSequences, 1);
    EXPECT_EQ(params.promptLength, 3);
    EXPECT_EQ(params.maxNewTokens, 17);
    EXPECT_EQ(params.endId, -1);
    EXPECT_EQ(params.temperature, 1);
    EXPECT_EQ(params.topK, 0);
    EXPECT_EQ(params.topP, 0);
    EXPECT_EQ(params.topPMin, 1e-6F);
    EXPECT_EQ(params.topPDecay, 1);
    EXPECT_EQ(params.topPResetIds, -1);
    EXPECT_EQ(params.minP, 0);
    EXPECT_EQ(params.seed, 0U);
    EXPECT_EQ(params.repetitionPenalty, 1);
    EXPECT_EQ(params.presencePenalty, 0);
    EXPECT_EQ(params.frequencyPenalty, 0);
    EXPECT_EQ(params.promptIgnoreLength, 0);
    EXPECT_EQ(params.minTokens, 0) << "so that an unset one never bars the end id";
    EXPECT_EQ(params.noRepeatNgramSize, 0);
    EXPECT_TRUE(params.embeddingBias.empty());
    EXPECT_TRUE(params.badWords.empty());
    EXPECT_TRUE(params.stopWords.empty());
    EXPECT_EQ(params.beamSearchDiversityRate, 0);
    EXPECT_EQ(params.lengthPenalty, 0);
    EXPECT_EQ(params.earlyStopping, 1);
}

TEST(DecodingParams, EachFieldIsRead) {
    SamplingConfig config;
    config.setTopK(7);
    config.setTopP(0.5F);
    config.setTopPMin(0.25F);
    config.setTopPDecay(0.75F);
    config.setTopPResetIds(5);
    config.setMinP(0.125F);
    config.setSeed(std::numeric_limits<std::uint64_t>::max());
    config.setTemperature(0.5F);
    config.setRepetitionPenalty(1.5F);
    config.setPresencePenalty(-0.5F);
    config.setFrequencyPenalty(0.375F);
    config.setPromptIgnoreLength(2);
    config.setMinTokens(3);
    config.setNoRepeatNgramSize(4);
    config.setBeamSearchDiversityRate(0.625F);
    config.setLengthPenalty(2);
    config.setEarlyStopping(0);
    auto const params = decodingParams(requestWith(config), 10);
    EXPECT_EQ(params.topK, 7);
    EXPECT_EQ(params.topP, 0.5F);
    EXPECT_EQ(params.topPMin, 0.25F);
    EXPECT_EQ(params.topPDecay, 0.75F);
    EXPECT_EQ(params.topPResetIds, 5);
    EXPECT_EQ(params.minP, 0.125F);
    EXPECT_EQ(params.seed, std::numeric_limits<std::uint64_t>::max());
    EXPECT_EQ(params.temperature, 0.5F);
    EXPECT_EQ(params.repetitionPenalty, 1.5F);
    EXPECT_EQ(params.presencePenalty, -0.5F);
    EXPECT_EQ(params.frequencyPenalty, 0.375F);
    EXPECT_EQ(params.promptIgnoreLength, 2);
    EXPECT_EQ(params.minTokens, 3);
    EXPECT_EQ(params.noRepeatNgramSize, 4);
    EXPECT_EQ(params.beamSearchDiversityRate, 0.625F);
    EXPECT_EQ(params.lengthPenalty, 2);
    EXPECT_EQ(params.earlyStopping, 0);
}

TEST(DecodingParams, WordsBiasAndEndIdAreCopied) {
    auto request = requestWith(SamplingConfig());
    std::vector<float> bias{1, -2, 0.5F};
    request.setEndId(1);
    request.setBadWords({{1}, {2, 0}});
    request.setStopWords({{2, 2, 1}});
    request.setEmbeddingBias(texec::Tensor::of(bias));
    auto const params = decodingParams(request, 10);
    bias[0] = 9;
    EXPECT_EQ(params.endId, 1);
    EXPECT_EQ(params.badWords, (std::vector<texec::VecTokens>{{1}, {2, 0}}));
    EXPECT_EQ(params.stopWords, (std::vector<texec::VecTokens>{{2, 2, 1}}));
    EXPECT_EQ(params.embeddingBias, (std::vector<float>{1, -2, 0.5F}));
}

TEST(DecodingParams, TemperatureZeroIsGreedy) {
    auto const params = paramsWith([](auto& config) {
        config.setTemperature(0);
        config.setTopK(50);
        config.setTopP(0.9F);
    });
    EXPECT_EQ(params.temperature, 1);
    EXPECT_EQ(params.topK, 1);
    EXPECT_EQ(params.topP, 0);
}

TEST(DecodingParams, TopKHasALargestValue) {
    EXPECT_EQ(paramsWith([](auto& config) { config.setTopK(1024); }).topK, 1024);
    EXPECT_EQ(paramsWith([](auto& config) { config.setTopK(1025); }).topK, 1024);
}

TEST(DecodingParams, AllBeamsAreReturnedUnlessFewerAreAskedFor) {
    EXPECT_EQ(paramsWith([](auto& config) { config.setBeamWidth(4); }).numReturnSequences, 4);
    EXPECT_EQ(paramsWith([](auto& config) { config.setNumReturnSequences(3); }).numReturnSequences, 3) << "samples";
    auto const params = paramsWith([](auto& config) {
        config.setBeamWidth(4);
        config.setNumReturnSequences(2);
    });
    EXPECT_EQ(params.beamWidth, 4);
    EXPECT_EQ(params.numReturnSequences, 2);
}

} // namespace
} // namespace embedded
