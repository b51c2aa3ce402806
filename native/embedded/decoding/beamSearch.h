/// Beam search of one request. Knows tokens and scores, no tensor and no cache.
#pragma once

#include "compute/backend.h"
#include "decoding/beam.h"
#include "decoding/decodingParams.h"

#include <cstddef>
#include <span>
#include <vector>

namespace embedded {

/// The finished hypotheses of one request and the rule by which it ends. Scores are cumulative log-probabilities
/// divided by (generated tokens, the end id included) ^ lengthPenalty.
class BeamSearch {
public:
    /// @param params must outlive the search
    explicit BeamSearch(DecodingParams const& params)
        : mParams(params) {}

    /// Candidates that advance() wants of each live beam: min(2 * beamWidth, vocabSize).
    [[nodiscard]] SizeType32 numCandidates(SizeType32 vocabSize) const;

    /// One step: extends the live beams by their best candidates, moves what ended to the finished hypotheses, and
    /// decides whether the search is over. An end id or stop word counts if it ranks among the best beamWidth of all
    /// candidates and is dropped otherwise. Candidates of minus infinity are no candidates; fewer than beamWidth beams
    /// may live on. If none does and nothing has finished, the old beams count as finished by the end id.
    /// @param candidates [beams.size()][numCandidates]: log-probabilities, largest first
    /// @param beams live ones, one before the first step; replaced by the next ones, best first, empty if none is left
    /// @returns for each new live beam the index of the old one that it continues; valid until the next call
    std::span<SizeType32 const> advance(std::span<compute::Candidate const> candidates, std::vector<Beam>& beams);

    /// No better hypothesis is to come, by earlyStopping's rule, or no beam lives.
    [[nodiscard]] bool isDone() const { return mDone; }

    /// The numReturnSequences best hypotheses of now, best first; fewer if there are not so many, at least one.
    /// @param live the live beams; they count unless the search is done
    /// @param liveReason finish reason of those among them
    [[nodiscard]] std::vector<Beam> best(std::span<Beam const> live, texec::FinishReason liveReason) const;

    /// Tokens at the beginning of best()[0].tokens, the decoder prompt included, that no later step changes: those in
    /// which the live beams and the best finished hypothesis agree; all of them if the search is done.
    [[nodiscard]] SizeType32 stableLength(std::span<Beam const> live) const;

private:
    struct Hypothesis {
        Beam beam;
        float score;
    };

    /// A live beam with one more token.
    struct Extension {
        SizeType32 parent;
        TokenIdType token;
        float logProb;
        float cumLogProb;
        float rank; ///< cumLogProb and the diversity term
    };

    [[nodiscard]] std::ptrdiff_t numGenerated(Beam const& beam) const;
    [[nodiscard]] float scoreOf(float cumLogProb, std::ptrdiff_t length) const;

    void rankExtensions(std::span<compute::Candidate const> candidates, std::span<Beam const> beams);
    void settle(std::span<Beam> beams);
    [[nodiscard]] texec::FinishReason endOf(Extension const& extension, Beam& parent) const;
    void finish(Extension const& extension, Beam const& parent, texec::FinishReason reason);
    [[nodiscard]] Hypothesis* placeFor(float score);
    void finishStuck(std::span<Beam const> beams);
    void extend(std::vector<Beam>& beams);
    [[nodiscard]] bool isOver(std::span<Beam const> live) const;

    DecodingParams const& mParams;
    std::vector<Hypothesis> mFinished; ///< at most beamWidth
    std::vector<SizeType32> mParents;
    std::vector<Extension> mExtensions;   ///< scratch: best first, then only those that live on
    std::vector<SizeType32> mNumChildren; ///< scratch: of each old beam
    std::vector<Beam> mNext;              ///< scratch
    bool mDone = false;
};

} // namespace embedded
