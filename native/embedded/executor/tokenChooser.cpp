#include "executor/tokenChooser.h"

#include "decoding/logitsProcessors.h"

#include <algorithm>

namespace embedded {

TokenChooser::TokenChooser(compute::Backend& backend, SizeType32 vocabSize,
    std::optional<texec::LogitsPostProcessorConfig> const& postProcessors)
    : mBackend(backend)
    , mVocabSize(vocabSize)
    , mPostProcessors(postProcessors.value_or(texec::LogitsPostProcessorConfig()))
    , mCounts(static_cast<std::size_t>(vocabSize), 0) {}

std::span<float> TokenChooser::row(SizeType32 index) const {
    auto const size = static_cast<std::size_t>(mVocabSize);
    return {mLogits + static_cast<std::size_t>(index) * size, size};
}

void TokenChooser::choose(std::span<ActiveRequest* const> requests, float* logits) {
    layOut(requests);
    auto const numRows = static_cast<std::size_t>(mRows.back().first + mRows.back().count());
    mLogits = mBackend.hostRows(logits, numRows * static_cast<std::size_t>(mVocabSize));
    mNormalizers.assign(numRows, 0.0F);
    std::ranges::for_each(mRows, [this](auto const& rows) { keepLogits(rows); });
    postProcess();
    dropFailed();
    normalizeBeams();
    std::ranges::for_each(mRows, [this](auto const& rows) { process(rows); });
    findCandidates();
    std::ranges::for_each(mRows, [this](auto const& rows) { apply(rows); });
}

void TokenChooser::layOut(std::span<ActiveRequest* const> requests) {
    mRows.clear();
    SizeType32 first = 0;
    std::size_t firstCandidate = 0;
    for (auto* const request : requests) {
        auto const wanted =
            request->search ? request->search->numCandidates(mVocabSize) : request->sampler.numCandidates();
        auto const numCandidates = std::min(wanted, mVocabSize);
        mRows.push_back({request, first, numCandidates, firstCandidate});
        first += mRows.back().count();
        firstCandidate += static_cast<std::size_t>(numCandidates) * request->beams.size();
    }
    mCandidates.resize(firstCandidate);
}

void TokenChooser::keepLogits(Rows const& rows) const {
    if (rows.request->output.returnGenerationLogits) {
        auto const size = static_cast<std::size_t>(rows.count()) * static_cast<std::size_t>(mVocabSize);
        float const* const begin = row(rows.first).data();
        rows.request->generationLogits.emplace_back(begin, begin + size);
    }
}

void TokenChooser::postProcess() {
    std::vector<Rows> batched;
    for (auto const& rows : mRows) {
        auto const& request = *rows.request;
        if (request.postProcessor) {
            postProcessAlone(rows, *request.postProcessor);
        } else if (request.postProcessorName == texec::Request::kBatchedPostProcessorName) {
            batched.push_back(rows);
        } else if (request.postProcessorName) {
            postProcessAlone(rows, mPostProcessors.getProcessorMap()->at(*request.postProcessorName));
        }
    }
    if (!batched.empty()) {
        postProcessBatched(batched);
    }
}

texec::Tensor TokenChooser::tensorOf(Rows const& rows) const {
    return texec::Tensor::of(row(rows.first).data(), {1, rows.count(), mVocabSize});
}

namespace {

texec::BeamTokens tokensOf(ActiveRequest const& request) {
    texec::BeamTokens tokens;
    std::ranges::transform(request.beams, std::back_inserter(tokens), &Beam::tokens);
    return tokens;
}

} // namespace

void TokenChooser::postProcessAlone(Rows const& rows, texec::LogitsPostProcessor const& processor) {
    try {
        auto tensor = tensorOf(rows);
        processor(rows.request->id, tensor, tokensOf(*rows.request), nullptr, rows.request->clientId);
    } catch (std::exception const& error) {
        rows.request->error = error.what();
    }
}

void TokenChooser::postProcessBatched(std::span<Rows const> asking) {
    std::vector<texec::IdType> ids;
    std::vector<texec::Tensor> tensors;
    std::vector<texec::BeamTokens> tokens;
    std::vector<std::optional<texec::IdType>> clientIds;
    for (auto const& rows : asking) {
        ids.push_back(rows.request->id);
        tensors.push_back(tensorOf(rows));
        tokens.push_back(tokensOf(*rows.request));
        clientIds.push_back(rows.request->clientId);
    }
    std::vector<std::reference_wrapper<texec::BeamTokens const>> const references(tokens.begin(), tokens.end());
    try {
        (*mPostProcessors.getProcessorBatched())(ids, tensors, references, nullptr, clientIds);
    } catch (std::exception const& error) {
        for (auto const& rows : asking) {
            rows.request->error = error.what();
        }
    }
}

void TokenChooser::dropFailed() {
    std::erase_if(mRows, [](auto const& rows) { return rows.request->error.has_value(); });
}

/// Beam search works on log-probabilities, which later steps change but do not normalise again.
void TokenChooser::normalizeBeams() {
    mNormalized.clear();
    for (auto const& rows : mRows) {
        for (SizeType32 i = 0; rows.request->search && i < rows.count(); ++i) {
            addEmbeddingBias(rows.request->decoding, row(rows.first + i));
            mNormalized.push_back(rows.first + i);
        }
    }
    mNormalizersFound.resize(mNormalized.size());
    mBackend.logNormalizers(mLogits, mVocabSize, mNormalized, mNormalizersFound);
    for (std::size_t i = 0; i < mNormalized.size(); ++i) {
        for (auto& value : row(mNormalized[i])) {
            value -= mNormalizersFound[i];
        }
    }
}

void TokenChooser::process(Rows const& rows) {
    auto const& request = *rows.request;
    if (leavesLogitsAlone(request.decoding)) {
        return;
    }
    for (SizeType32 i = 0; i < rows.count(); ++i) {
        auto const values = row(rows.first + i);
        if (!request.search) {
            addEmbeddingBias(request.decoding, values);
        }
        processLogits(request.decoding, request.beams[static_cast<std::size_t>(i)].tokens, mCounts, values);
    }
}

void TokenChooser::findCandidates() {
    mQueries.clear();
    mNormalized.clear();
    for (auto const& rows : mRows) {
        auto const size = static_cast<std::size_t>(rows.numCandidates);
        for (SizeType32 i = 0; size > 0 && i < rows.count(); ++i) {
            auto const first = rows.firstCandidate + static_cast<std::size_t>(i) * size;
            mQueries.push_back({rows.first + i, std::span(mCandidates).subspan(first, size)});
        }
        if (!rows.request->search && (size == 0 || rows.request->output.returnLogProbs)) {
            mNormalized.push_back(rows.first);
        }
    }
    mBackend.largest(mLogits, mVocabSize, mQueries);
    mNormalizersFound.resize(mNormalized.size());
    mBackend.logNormalizers(mLogits, mVocabSize, mNormalized, mNormalizersFound);
    for (std::size_t i = 0; i < mNormalized.size(); ++i) {
        mNormalizers[static_cast<std::size_t>(mNormalized[i])] = mNormalizersFound[i];
    }
}

void TokenChooser::apply(Rows const& rows) {
    auto& request = *rows.request;
    auto const numBeams = static_cast<std::size_t>(rows.count());
    auto const best = std::span<compute::Candidate const>(mCandidates)
                          .subspan(rows.firstCandidate, numBeams * static_cast<std::size_t>(rows.numCandidates));
    auto const normalizer = mNormalizers[static_cast<std::size_t>(rows.first)];
    if (request.search) {
        request.advance(best);
    } else if (best.empty()) {
        request.accept(request.sampler.choose(row(rows.first), normalizer));
    } else {
        request.accept(request.sampler.choose(best, normalizer));
    }
}

} // namespace embedded
