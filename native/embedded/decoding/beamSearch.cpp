#include "decoding/beamSearch.h"

#include "decoding/stopCriteria.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace embedded {

using texec::FinishReason;

SizeType32 BeamSearch::numCandidates(SizeType32 vocabSize) const {
    return std::min(2 * mParams.beamWidth, vocabSize);
}

std::span<SizeType32 const> BeamSearch::advance(
    std::span<compute::Candidate const> candidates, std::vector<Beam>& beams) {
    rankExtensions(candidates, beams);
    settle(beams);
    if (mExtensions.empty() && mFinished.empty()) {
        finishStuck(beams);
    }
    extend(beams);
    mDone = isOver(beams);
    return mParents;
}

void BeamSearch::rankExtensions(std::span<compute::Candidate const> candidates, std::span<Beam const> beams) {
    mExtensions.clear();
    std::size_t const numPerBeam = candidates.size() / beams.size();
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        auto const parent = i / numPerBeam;
        float const cumLogProb = beams[parent].cumLogProb + candidates[i].value;
        if (cumLogProb > -std::numeric_limits<float>::infinity()) {
            float const bonus = mParams.beamSearchDiversityRate * static_cast<float>(parent);
            mExtensions.push_back({static_cast<SizeType32>(parent), candidates[i].token, candidates[i].value,
                cumLogProb, cumLogProb + bonus});
        }
    }
    // Stable: among equals the earlier beam's goes first, then the better candidate.
    std::ranges::stable_sort(mExtensions, std::ranges::greater(), &Extension::rank);
    mExtensions.resize(std::min(mExtensions.size(), 2 * static_cast<std::size_t>(mParams.beamWidth)));
}

/// Divides mExtensions into those that end and those that live on, which it keeps.
void BeamSearch::settle(std::span<Beam> beams) {
    auto const beamWidth = static_cast<std::size_t>(mParams.beamWidth);
    std::size_t numLive = 0;
    for (std::size_t i = 0; i < mExtensions.size() && numLive < beamWidth; ++i) {
        Extension const extension = mExtensions[i];
        Beam& parent = beams[static_cast<std::size_t>(extension.parent)];
        auto const reason = endOf(extension, parent);
        if (reason == FinishReason::kNOT_FINISHED) {
            mExtensions[numLive++] = extension;
        } else if (i < beamWidth) {
            finish(extension, parent, reason);
        }
    }
    mExtensions.resize(numLive);
}

FinishReason BeamSearch::endOf(Extension const& extension, Beam& parent) const {
    if (extension.token == mParams.endId) {
        return FinishReason::kEND_ID;
    }
    if (mParams.stopWords.empty()) {
        return FinishReason::kNOT_FINISHED;
    }
    parent.tokens.push_back(extension.token);
    bool const isStop = endsWithStopWord(mParams, parent.tokens);
    parent.tokens.pop_back();
    return isStop ? FinishReason::kSTOP_WORDS : FinishReason::kNOT_FINISHED;
}

void BeamSearch::finish(Extension const& extension, Beam const& parent, FinishReason reason) {
    float const score = scoreOf(extension.cumLogProb, numGenerated(parent) + 1);
    Hypothesis* const place = placeFor(score);
    if (place == nullptr) {
        return;
    }
    place->score = score;
    place->beam = parent;
    if (reason == FinishReason::kSTOP_WORDS) {
        place->beam.tokens.push_back(extension.token);
        place->beam.logProbs.push_back(extension.logProb);
        place->beam.parents.push_back(extension.parent);
    }
    place->beam.cumLogProb = extension.cumLogProb;
    place->beam.finishReason = reason;
}

/// A new place, or that of the worst hypothesis unless it is better; null if there is none.
BeamSearch::Hypothesis* BeamSearch::placeFor(float score) {
    if (std::ssize(mFinished) < mParams.beamWidth) {
        return &mFinished.emplace_back();
    }
    auto const worst = std::ranges::min_element(mFinished, {}, &Hypothesis::score);
    return score < worst->score ? nullptr : &*worst;
}

void BeamSearch::finishStuck(std::span<Beam const> beams) {
    for (auto const& beam : beams) {
        mFinished.push_back({beam, scoreOf(beam.cumLogProb, numGenerated(beam))});
        mFinished.back().beam.finishReason = FinishReason::kEND_ID;
    }
}

/// Makes mExtensions the live beams. A beam moves to the last of its children and is copied for the others.
void BeamSearch::extend(std::vector<Beam>& beams) {
    mNumChildren.assign(beams.size(), 0);
    for (auto const& extension : mExtensions) {
        ++mNumChildren[static_cast<std::size_t>(extension.parent)];
    }
    mParents.clear();
    mNext.resize(mExtensions.size());
    for (std::size_t i = 0; i < mExtensions.size(); ++i) {
        auto const& extension = mExtensions[i];
        auto const parent = static_cast<std::size_t>(extension.parent);
        if (--mNumChildren[parent] == 0) {
            std::swap(mNext[i], beams[parent]);
        } else {
            mNext[i] = beams[parent];
        }
        mNext[i].tokens.push_back(extension.token);
        mNext[i].logProbs.push_back(extension.logProb);
        mNext[i].parents.push_back(extension.parent);
        mNext[i].cumLogProb = extension.cumLogProb;
        mParents.push_back(extension.parent);
    }
    beams.swap(mNext);
}

bool BeamSearch::isOver(std::span<Beam const> live) const {
    if (live.empty()) {
        return true;
    }
    if (std::ssize(mFinished) < mParams.beamWidth) {
        return false;
    }
    if (mParams.earlyStopping == 1) {
        return true;
    }
    auto const length = mParams.earlyStopping == 0 ? numGenerated(live.front()) : mParams.maxNewTokens;
    float const bestLive = std::ranges::max_element(live, {}, &Beam::cumLogProb)->cumLogProb;
    return std::ranges::min_element(mFinished, {}, &Hypothesis::score)->score >= scoreOf(bestLive, length);
}

std::ptrdiff_t BeamSearch::numGenerated(Beam const& beam) const {
    return std::ssize(beam.tokens) - mParams.promptLength;
}

float BeamSearch::scoreOf(float cumLogProb, std::ptrdiff_t length) const {
    bool const isDivided = mParams.lengthPenalty != 0.0F && length > 1;
    return isDivided ? cumLogProb / std::pow(static_cast<float>(length), mParams.lengthPenalty) : cumLogProb;
}

std::vector<Beam> BeamSearch::best(std::span<Beam const> live, FinishReason liveReason) const {
    struct Ranked {
        float score;
        Beam const* beam;
        FinishReason reason;
    };
    std::vector<Ranked> ranked;
    for (auto const& [beam, score] : mFinished) {
        ranked.push_back({score, &beam, beam.finishReason});
    }
    for (auto const& beam : mDone ? std::span<Beam const>() : live) {
        ranked.push_back({scoreOf(beam.cumLogProb, numGenerated(beam)), &beam, liveReason});
    }
    std::ranges::stable_sort(ranked, std::ranges::greater(), &Ranked::score);
    ranked.resize(std::min(ranked.size(), static_cast<std::size_t>(mParams.numReturnSequences)));

    std::vector<Beam> result;
    for (auto const& [score, beam, reason] : ranked) {
        result.push_back(*beam);
        result.back().finishReason = reason;
    }
    return result;
}

SizeType32 BeamSearch::stableLength(std::span<Beam const> live) const {
    auto const bestFinished = std::ranges::max_element(mFinished, {}, &Hypothesis::score);
    std::span<TokenIdType const> const first = mDone || live.empty() ? bestFinished->beam.tokens : live.front().tokens;
    auto const agreeing = [first](texec::VecTokens const& tokens) {
        return std::ranges::mismatch(first, tokens).in1 - first.begin();
    };
    std::ptrdiff_t length = std::ssize(first);
    if (mDone) {
        return static_cast<SizeType32>(length);
    }
    for (auto const& beam : live) {
        length = std::min(length, agreeing(beam.tokens));
    }
    if (bestFinished != mFinished.end()) {
        length = std::min(length, agreeing(bestFinished->beam.tokens));
    }
    return static_cast<SizeType32>(length);
}

} // namespace embedded
