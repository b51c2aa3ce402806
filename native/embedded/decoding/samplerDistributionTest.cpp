/// Draws against the shares that the formulas give, and against a walk through the fully sorted row.
#include "decoding/logitsProcessors.h"
#include "decoding/samplerTestSupport.h"

namespace embedded {
namespace {

/// Whether the counts of many draws fit the shares, and nothing came that has no share.
void expectShares(std::vector<int> const& counts, std::vector<double> const& shares) {
    double const numDraws = std::accumulate(counts.begin(), counts.end(), 0);
    double chiSquare = 0;
    double freedom = -1;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        if (shares[i] > 0) {
            chiSquare += std::pow(counts[i] - numDraws * shares[i], 2) / (numDraws * shares[i]);
            ++freedom;
        } else {
            EXPECT_EQ(counts[i], 0) << "token " << i;
        }
    }
    // Above the 99.9 % point for each number of degrees of freedom.
    EXPECT_LE(chiSquare, freedom + 5 * std::sqrt(2 * freedom) + 3) << ::testing::PrintToString(counts);
}

std::vector<int> countDraws(DecodingParams const& params, Row row) {
    std::vector<SizeType32> scratch(row.size(), 0);
    processLogits(params, {}, scratch, row);
    Sampler sampler(params, 0, false);
    std::vector<int> counts(row.size(), 0);
    for (int i = 0; i < 20000; ++i) {
        ++counts[static_cast<std::size_t>(choose(sampler, row).token)];
    }
    return counts;
}

/// U times topP times the kept probability falls on a line of the kept tokens, largest first: what of a token lies
/// beyond topP does not count.
std::vector<double> sharesOf(Row const& row, SizeType32 topK, double topP) {
    auto const kept = mostLikely(row, topK);
    double const line = topP * (topK == 0 ? 1 : sumOf(kept));
    std::vector<double> shares(row.size(), 0.0);
    double begin = 0;
    for (auto const& [token, probability] : kept) {
        shares[static_cast<std::size_t>(token)] = std::clamp(line - begin, 0.0, probability) / line;
        begin += probability;
    }
    return shares;
}

TEST(SamplerDistribution, DrawsFollowTheFormulas) {
    for (auto const& [topK, topP] : {std::pair(2, 0.0F), {4, 0.0F}, {4, 1.0F}, {100, 0.0F}, {4, 0.7F}, {3, 0.2F},
             {6, 0.9F}, {0, 0.05F}, {0, 0.5F}, {0, 0.8F}, {0, 0.99F}, {0, 1.0F}}) {
        SCOPED_TRACE(::testing::Message() << "topK " << topK << ", topP " << topP);
        DecodingParams params;
        params.topK = topK;
        params.topP = topP;
        params.seed = 7;
        double const share = topP > 0 ? static_cast<double>(topP) : 1.0;
        expectShares(countDraws(params, kROW), sharesOf(kROW, topK, share));
    }
}

TEST(SamplerDistribution, DrawsFollowTemperatureAndMinP) {
    for (float const temperature : {0.5F, 2.0F}) {
        for (float const minP : {0.0F, 0.3F, 0.75F}) {
            for (SizeType32 const topK : {0, 5}) {
                DecodingParams params;
                params.temperature = temperature;
                params.minP = minP;
                params.topK = topK;
                params.topP = 0.9F;
                Row scaled = kROW;
                for (float& value : scaled) {
                    bool const isKept = std::exp((value - 1.2F) / temperature) >= minP;
                    value = isKept ? value / temperature : kMINUS_INFINITY;
                }
                SCOPED_TRACE(::testing::Message() << temperature << ' ' << minP << ' ' << topK);
                expectShares(countDraws(params, kROW), sharesOf(scaled, topK, 0.9F));
            }
        }
    }
}

/// What the documented walk takes, with the number that the sampler is documented to draw.
class Reference {
public:
    Reference(DecodingParams const& params, std::uint64_t seed)
        : mParams(params)
        , mTopP(static_cast<double>(params.topP))
        , mRandom(seed) {}

    TokenIdType choose(Row const& row) {
        double const uniform = (static_cast<double>(mRandom() >> 11) + 1) / 9007199254740992.0;
        auto const kept = mostLikely(row, mParams.topK);
        double const line = uniform * mTopP * (mParams.topK == 0 ? 1 : sumOf(kept));
        double end = 0;
        auto const chosen = std::ranges::find_if(kept, [&](Likely const& t) { return (end += t.probability) >= line; });
        mTopP = chosen->token == mParams.topPResetIds
            ? static_cast<double>(mParams.topP)
            : std::max(mTopP * static_cast<double>(mParams.topPDecay), static_cast<double>(mParams.topPMin));
        return chosen->token;
    }

    [[nodiscard]] double topP() const { return mTopP; }

private:
    DecodingParams mParams;
    double mTopP;
    std::mt19937_64 mRandom;
};

Row randomRow(std::size_t size, unsigned seed, float scale) {
    std::mt19937 random(seed);
    std::normal_distribution<float> values(0, scale);
    Row row(size);
    std::ranges::generate(row, [&] { return values(random); });
    return row;
}

/// Far beyond the first selection, where most of the row has to be walked.
TEST(SamplerDistribution, WalksAsFarAsItMust) {
    for (float const scale : {0.0F, 0.3F, 2.0F}) {
        for (std::size_t const size :
            {std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{65}, std::size_t{5003}}) {
            DecodingParams params;
            params.topP = 1;
            params.seed = 3;
            auto const row = randomRow(size, 5, scale);
            Sampler sampler(params, 0, true);
            Reference reference(params, 3);
            for (int i = 0; i < 40; ++i) {
                ASSERT_EQ(choose(sampler, row).token, reference.choose(row)) << size << ' ' << scale << ' ' << i;
            }
        }
    }
}

TEST(SamplerDistribution, TopPDecaysToItsMinimumAndIsReset) {
    Row const row{1, 0.8F, 0.6F, 0.4F, 0.2F, 0, -0.2F};
    for (SizeType32 const topK : {0, 5}) {
        for (TokenIdType const resetId : {-1, 1}) {
            DecodingParams params;
            params.topK = topK;
            params.topP = 0.9F;
            params.topPDecay = 0.9F;
            params.topPMin = 0.35F;
            params.topPResetIds = resetId;
            params.seed = 11;
            Sampler sampler(params, 0, false);
            Reference reference(params, 11);
            int numAtMinimum = 0;
            int numReset = 0;
            for (int i = 0; i < 300; ++i) {
                auto const token = reference.choose(row);
                ASSERT_EQ(choose(sampler, row).token, token) << topK << ' ' << resetId << ' ' << i;
                numAtMinimum += reference.topP() == static_cast<double>(params.topPMin) ? 1 : 0;
                numReset += token == resetId ? 1 : 0;
            }
            EXPECT_GT(numAtMinimum, 5);
            EXPECT_TRUE(resetId < 0 || numReset > 10);
        }
    }
}

/// Without topP there is nothing to decay, whatever topPMin is.
TEST(SamplerDistribution, DecayNeedsATopP) {
    DecodingParams params;
    params.topK = 4;
    params.topPDecay = 0.1F;
    expectShares(countDraws(params, kROW), sharesOf(kROW, 4, 1));
}

TEST(SamplerDistribution, ImpossibleTokensAreNeverDrawn) {
    Row const row{kMINUS_INFINITY, std::numeric_limits<float>::lowest(), 1, kMINUS_INFINITY, 0.5F};
    for (auto const& [topK, topP] : {std::pair(5, 0.0F), {0, 1.0F}}) {
        DecodingParams params;
        params.topK = topK;
        params.topP = topP;
        auto const counts = countDraws(params, row);
        EXPECT_EQ(counts[2] + counts[4], 20000) << ::testing::PrintToString(counts);
    }
}

} // namespace
} // namespace embedded
