/// What comes with a choice, and what decides it.
#include "decoding/sampler.h"

#include "decoding/samplerTestSupport.h"

namespace embedded {
namespace {

using compute::Candidate;

std::vector<TokenIdType> drawTokens(DecodingParams const& params, SizeType32 sequenceIndex) {
    Sampler sampler(params, sequenceIndex, true);
    std::vector<TokenIdType> tokens;
    for (int i = 0; i < 50; ++i) {
        tokens.push_back(choose(sampler, kROW).token);
    }
    return tokens;
}

TEST(Sampler, TheSeedDecidesAndEachSequenceHasItsOwn) {
    DecodingParams params;
    params.topP = 0.9F;
    auto const tokens = drawTokens(params, 0);
    EXPECT_EQ(drawTokens(params, 0), tokens);
    EXPECT_NE(drawTokens(params, 1), tokens);
    auto const second = drawTokens(params, 2);
    params.seed = 2;
    EXPECT_EQ(drawTokens(params, 0), second) << "seed + sequence index";
    params.seed = std::numeric_limits<std::uint64_t>::max();
    EXPECT_EQ(drawTokens(params, 1), tokens) << "modulo 2^64";
}

TEST(Sampler, NumCandidates) {
    auto const numCandidates = [](SizeType32 topK, float topP) {
        DecodingParams params;
        params.topK = topK;
        params.topP = topP;
        return Sampler(params, 0, true).numCandidates();
    };
    EXPECT_EQ(numCandidates(0, 0), 1) << "greedy";
    EXPECT_EQ(numCandidates(1, 0.5F), 1);
    EXPECT_EQ(numCandidates(40, 0), 40);
    EXPECT_EQ(numCandidates(40, 0.5F), 40);
    EXPECT_EQ(numCandidates(0, 0.5F), 0);
}

TEST(Sampler, GreedyTakesTheFirstOfTheLargest) {
    DecodingParams params;
    double const logProb = static_cast<double>(kROW[2]) - logNormalizerOf(kROW);
    for (SizeType32 const topK : {0, 1}) {
        params.topK = topK;
        for (bool const normalize : {false, true}) {
            Sampler sampler(params, 0, normalize);
            for (int i = 0; i < 3; ++i) {
                auto const choice = choose(sampler, kROW);
                EXPECT_EQ(choice.token, 2);
                EXPECT_NEAR(choice.cumLogProb, logProb, 1e-6);
                EXPECT_EQ(choice.logProb, normalize ? 0.0F : choice.cumLogProb);
            }
        }
    }
}

TEST(Sampler, LogProbsOfTopKAreThoseOfTheKeptSetIfNormalized) {
    for (float const topP : {0.0F, 0.6F}) {
        for (bool const normalize : {false, true}) {
            DecodingParams params;
            params.topK = 3;
            params.topP = topP;
            Sampler sampler(params, 0, normalize);
            double const kept = std::log(sumOf(mostLikely(kROW, 3)));
            for (int i = 0; i < 20; ++i) {
                auto const choice = choose(sampler, kROW);
                double const logProb =
                    static_cast<double>(kROW[static_cast<std::size_t>(choice.token)]) - logNormalizerOf(kROW);
                EXPECT_NEAR(choice.cumLogProb, logProb, 1e-6);
                EXPECT_NEAR(choice.logProb, normalize ? logProb - kept : logProb, 1e-6);
            }
        }
    }
}

TEST(Sampler, LogProbsOfTopPAreNeverNormalized) {
    DecodingParams params;
    params.topP = 0.4F;
    for (bool const normalize : {false, true}) {
        Sampler sampler(params, 0, normalize);
        auto const choice = choose(sampler, kROW);
        EXPECT_NEAR(choice.logProb,
            static_cast<double>(kROW[static_cast<std::size_t>(choice.token)]) - logNormalizerOf(kROW), 1e-6);
        EXPECT_EQ(choice.logProb, choice.cumLogProb);
    }
}

TEST(Sampler, ARowWithoutAnyPossibleTokenGivesTheFirst) {
    Row const row(100, kMINUS_INFINITY);
    std::vector<Candidate> const best{{0, kMINUS_INFINITY}, {1, kMINUS_INFINITY}};
    for (auto const& [topK, topP] : {std::pair(0, 0.0F), {2, 0.5F}, {0, 0.5F}}) {
        for (bool const normalize : {false, true}) {
            DecodingParams params;
            params.topK = topK;
            params.topP = topP;
            Sampler sampler(params, 0, normalize);
            float const normalizer = kMINUS_INFINITY;
            auto const choice =
                topK == 0 && topP > 0 ? sampler.choose(row, normalizer) : sampler.choose(best, normalizer);
            EXPECT_EQ(choice.token, 0);
            EXPECT_EQ(choice.logProb, kMINUS_INFINITY);
            EXPECT_EQ(choice.cumLogProb, kMINUS_INFINITY);
        }
    }
}

/// A broken model must not break the process: some token of the row comes out.
TEST(Sampler, NaNAndInfinityDoNoHarm) {
    constexpr float kNAN = std::numeric_limits<float>::quiet_NaN();
    for (Row const& row : {Row{kNAN, 1, kNAN}, Row(70, kNAN), Row{1, std::numeric_limits<float>::infinity(), 2}}) {
        for (float const normalizer : {1.0F, kNAN, std::numeric_limits<float>::infinity(), kMINUS_INFINITY}) {
            DecodingParams params;
            params.topP = 0.9F;
            Sampler sampler(params, 0, true);
            auto const token = sampler.choose(row, normalizer).token;
            EXPECT_TRUE(token >= 0 && token < std::ssize(row));
            params.topK = 2;
            Sampler topK(params, 0, true);
            std::vector<Candidate> const best{{5, row[0]}, {7, row[1]}};
            auto const other = topK.choose(best, normalizer).token;
            EXPECT_TRUE(other == 5 || other == 7);
        }
    }
}

} // namespace
} // namespace embedded
