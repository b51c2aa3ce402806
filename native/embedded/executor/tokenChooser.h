/// From logits to the next tokens of each request, in the order of the Executor: post-processors, penalties and bans,
/// then the draw or the beam search.
#pragma once

#include "executor/activeRequest.h"

#include <span>
#include <vector>

namespace embedded {

/// Keeps its scratch between steps. Belongs to the engine thread.
class TokenChooser {
public:
    TokenChooser(compute::Backend& backend, SizeType32 vocabSize,
        std::optional<texec::LogitsPostProcessorConfig> const& postProcessors);

    /// Appends a token to each request, or ends it. A post-processor that throws sets the error of its request, the
    /// batched one of all that it was called for.
    /// @param logits of the backend: a row for each beam of each request, in this order; changed
    void choose(std::span<ActiveRequest* const> requests, float* logits);

private:
    /// The rows of one request.
    struct Rows {
        ActiveRequest* request;
        SizeType32 first;
        SizeType32 numCandidates; ///< per row; 0: the whole row
        std::size_t firstCandidate;
        [[nodiscard]] SizeType32 count() const { return static_cast<SizeType32>(request->beams.size()); }
    };

    [[nodiscard]] std::span<float> row(SizeType32 index) const;
    void layOut(std::span<ActiveRequest* const> requests);
    void keepLogits(Rows const& rows) const;
    void postProcess();
    void postProcessAlone(Rows const& rows, texec::LogitsPostProcessor const& processor);
    void postProcessBatched(std::span<Rows const> asking);
    [[nodiscard]] texec::Tensor tensorOf(Rows const& rows) const;
    void dropFailed();
    void normalizeBeams();
    void process(Rows const& rows);
    void findCandidates();
    void apply(Rows const& rows);

    compute::Backend& mBackend;
    SizeType32 mVocabSize;
    texec::LogitsPostProcessorConfig mPostProcessors;
    float* mLogits = nullptr; ///< of this step, in host memory

    std::vector<Rows> mRows;
    std::vector<SizeType32> mCounts; ///< [V] zeros
    std::vector<SizeType32> mNormalized;
    std::vector<float> mNormalizers; ///< of all rows; 0 where none was asked for
    std::vector<float> mNormalizersFound;
    std::vector<compute::Candidate> mCandidates;
    std::vector<compute::LargestQuery> mQueries;
};

} // namespace embedded
