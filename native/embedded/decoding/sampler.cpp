#include "decoding/sampler.h"

#include "compute/largest.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace embedded {

namespace {

using compute::Candidate;

constexpr float kIMPOSSIBLE = -std::numeric_limits<float>::infinity();

/// Top-p looks at so many of the largest values first, then at so many, then at all.
constexpr std::size_t kFIRST_SELECTION = 64;
constexpr std::size_t kSECOND_SELECTION = 512;

/// Also where no token of the row is possible and the normalizer therefore no number.
float logProbOf(float value, double logNormalizer) {
    return value == kIMPOSSIBLE ? kIMPOSSIBLE : static_cast<float>(static_cast<double>(value) - logNormalizer);
}

std::int64_t firstAbove(float const* values, std::int64_t count, float threshold) {
    return std::find_if(values, values + count, [threshold](float value) { return value > threshold; }) - values;
}

/// Along the tokens, largest first, until the probabilities passed add up to `rest`.
struct Walk {
    double rest;
    double logNormalizer;
    Candidate chosen{};

    [[nodiscard]] double probabilityOf(Candidate const& candidate) const {
        return std::exp(static_cast<double>(candidate.value) - logNormalizer);
    }

    /// Whether the walk ends here.
    bool passes(Candidate const& next, bool isFirst) {
        double const probability = probabilityOf(next);
        if (!isFirst && !(probability > 0.0)) {
            return true; // only impossible tokens are left
        }
        chosen = next;
        rest -= probability;
        return rest <= 0.0;
    }
};

/// Replaces the largest values, which `selection` holds, by all others.
void selectTail(std::span<float const> row, std::vector<Candidate>& selection) {
    auto const last = selection.back();
    selection.clear();
    for (std::size_t i = 0; i < row.size(); ++i) {
        Candidate const candidate{static_cast<TokenIdType>(i), row[i]};
        if (compute::ranksBefore(last, candidate)) {
            selection.push_back(candidate);
        }
    }
}

/// Halves the tail by rank and keeps the half in which the walk ends, until that is short enough to be sorted.
void walkThroughTail(Walk& walk, std::span<Candidate> tail) {
    while (tail.size() > kFIRST_SELECTION) {
        auto const better = tail.first(tail.size() / 2);
        std::ranges::nth_element(tail, tail.begin() + std::ssize(better), compute::ranksBefore);
        double probability = 0.0;
        for (auto const& candidate : better) {
            probability += walk.probabilityOf(candidate);
        }
        if (walk.rest <= probability) {
            tail = better;
        } else {
            walk.rest -= probability;
            tail = tail.subspan(better.size());
        }
    }
    std::ranges::sort(tail, compute::ranksBefore);
    for (auto const& next : tail) {
        if (walk.passes(next, false)) {
            return;
        }
    }
}

} // namespace

Sampler::Sampler(DecodingParams const& params, SizeType32 sequenceIndex, bool normalizeLogProbs)
    : mNumCandidates(params.topK == 0 && params.topP == 0.0F ? 1 : params.topK)
    , mNormalizeLogProbs(normalizeLogProbs)
    , mInitialTopP(params.topP > 0.0F ? params.topP : 1.0F)
    , mTopP(mInitialTopP)
    , mTopPMin(params.topPMin)
    , mTopPDecay(params.topP > 0.0F ? params.topPDecay : 1.0F)
    , mTopPResetIds(params.topPResetIds)
    , mRandom(params.seed + static_cast<std::uint64_t>(sequenceIndex)) {}

Choice Sampler::choose(std::span<Candidate const> best, float logNormalizer) {
    auto const largest = static_cast<double>(best.front().value);
    mWeights.clear();
    double sum = 0.0;
    for (auto const& candidate : best) {
        mWeights.push_back(std::exp(static_cast<double>(candidate.value) - largest));
        sum += mWeights.back();
    }
    auto const& [token, value] = best[mNumCandidates == 1 ? 0 : drawIndex(sum)];
    float const logProb = logProbOf(value, logNormalizer);
    decayTopP(token);
    return {token, mNormalizeLogProbs ? logProbOf(value, largest + std::log(sum)) : logProb, logProb};
}

std::size_t Sampler::drawIndex(double sum) {
    double rest = drawUniform() * static_cast<double>(mTopP) * sum;
    std::size_t chosen = 0;
    for (std::size_t i = 0; i < mWeights.size(); ++i) {
        if (mWeights[i] > 0.0) { // so that what rounding leaves of the rest does not fall to an impossible token
            chosen = i;
            rest -= mWeights[i];
            if (rest <= 0.0) {
                break;
            }
        }
    }
    return chosen;
}

Choice Sampler::choose(std::span<float const> row, float logNormalizer) {
    auto const [token, value] = drawFromNucleus(row, logNormalizer);
    float const logProb = logProbOf(value, logNormalizer);
    decayTopP(token);
    return {token, logProb, logProb};
}

Candidate Sampler::drawFromNucleus(std::span<float const> row, double logNormalizer) {
    // Not above topP, so the most likely token is taken where it alone has that probability.
    Walk walk{drawUniform() * static_cast<double>(mTopP), logNormalizer};
    std::size_t numWalked = 0;
    for (auto const size : {kFIRST_SELECTION, kSECOND_SELECTION}) {
        mSelection.resize(std::min(size, row.size()));
        compute::selectLargest(row, mSelection, firstAbove);
        for (; numWalked < mSelection.size(); ++numWalked) {
            if (walk.passes(mSelection[numWalked], numWalked == 0)) {
                return walk.chosen;
            }
        }
    }
    selectTail(row, mSelection);
    walkThroughTail(walk, mSelection);
    return walk.chosen;
}

double Sampler::drawUniform() {
    return static_cast<double>((mRandom() >> 11) + 1) * 0x1p-53;
}

void Sampler::decayTopP(TokenIdType chosen) {
    mTopP = chosen == mTopPResetIds ? mInitialTopP : std::max(mTopP * mTopPDecay, mTopPMin);
}

} // namespace embedded
