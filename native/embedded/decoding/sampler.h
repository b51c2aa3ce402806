/// Chooses tokens for a request without beams: greedily, or at random from the best ones.
#pragma once

#include "compute/backend.h"
#include "decoding/decodingParams.h"

#include <random>
#include <span>
#include <vector>

namespace embedded {

/// What one step chose for one row.
struct Choice {
    TokenIdType token;
    float logProb;    ///< as reported for the token: normalised within the kept set if the executor is asked to
    float cumLogProb; ///< what the step adds to the cumulative one: under the whole processed vocabulary
};

/// The random stream of one request, one number a token unless it is greedy; the same seed gives the same tokens in any
/// batch. Where no token is possible it gives the first one, with log-probabilities of minus infinity.
class Sampler {
public:
    /// @param sequenceIndex which of the request's samples; each has a seed of its own
    /// @param normalizeLogProbs ExecutorConfig::getNormalizeLogProbs()
    Sampler(DecodingParams const& params, SizeType32 sequenceIndex, bool normalizeLogProbs);

    /// How many of a row's largest values the draw needs, perhaps more than there are; 0: it walks through the row
    /// (top-p without top-k).
    [[nodiscard]] SizeType32 numCandidates() const { return mNumCandidates; }

    /// Draws from the numCandidates() largest, or from the whole vocabulary, largest first, if that has fewer.
    /// @param logNormalizer log Σ exp(x) of the whole processed row; unused by a greedy choice that reports nothing
    [[nodiscard]] Choice choose(std::span<compute::Candidate const> best, float logNormalizer);

    /// Draws from the processed row. REQUIRES: numCandidates() == 0.
    [[nodiscard]] Choice choose(std::span<float const> row, float logNormalizer);

private:
    [[nodiscard]] double drawUniform();              ///< in (0, 1]
    [[nodiscard]] std::size_t drawIndex(double sum); ///< of mWeights, whose sum is given
    [[nodiscard]] compute::Candidate drawFromNucleus(std::span<float const> row, double logNormalizer);
    void decayTopP(TokenIdType chosen);

    SizeType32 mNumCandidates;
    bool mNormalizeLogProbs;
    float mInitialTopP;
    float mTopP; ///< of the next step
    float mTopPMin;
    float mTopPDecay;
    TokenIdType mTopPResetIds;
    std::mt19937_64 mRandom;
    std::vector<double> mWeights;               ///< scratch
    std::vector<compute::Candidate> mSelection; ///< scratch
};

} // namespace embedded
