#include "executor/activeRequest.h"

#include "cache/blockCounts.h"
#include "decoding/stopCriteria.h"

#include <algorithm>

namespace embedded {

namespace {

SizeType32 clampedMaxTokens(texec::Request const& request, EngineLimits const& limits) {
    auto const promptLength = static_cast<SizeType32>(request.getInputTokenIds().size());
    return std::min(request.getMaxTokens(), limits.maxSequenceLength - promptLength);
}

} // namespace

ActiveRequest::ActiveRequest(std::shared_ptr<SequenceGroup> sequenceGroup, SizeType32 index,
    QueuedRequest const& queued, AdapterPtr loraAdapter, EngineLimits const& limits, RequestPolicy const& policy)
    : group(std::move(sequenceGroup))
    , sequenceIndex(index)
    , id(group->id + static_cast<texec::IdType>(index))
    , clientId(queued.request.getClientId())
    , priority(queued.request.getPriority())
    , streaming(queued.request.getStreaming())
    , returnAllGeneratedTokens(queued.request.getReturnAllGeneratedTokens())
    , output(queued.request.getOutputConfig())
    , postProcessor(queued.request.getLogitsPostProcessor())
    , postProcessorName(queued.request.getLogitsPostProcessorName())
    , decoding(decodingParams(queued.request, clampedMaxTokens(queued.request, limits)))
    , encoderInput{queued.request.getEncoderInputTokenIds().value_or(texec::VecTokens{}),
          loraAdapter ? loraAdapter->version() : 0}
    , encoderFeatures(queued.request.getEncoderInputFeatures())
    , adapter(std::move(loraAdapter))
    , sampler(decoding, index, policy.normalizeLogProbs)
    , crossAttentionMask(queued.request.getCrossAttentionMask()) {
    times.arrival = queued.arrival;
    beams.emplace_back().tokens = queued.request.getInputTokenIds();
    if (decoding.beamWidth > 1) {
        search.emplace(decoding);
        returnAllGeneratedTokens = true; // earlier tokens may change
        output.returnGenerationLogits = output.returnGenerationLogits && !streaming;
    }
    if (auto const allotted = queued.request.getAllottedTimeMs()) {
        deadline = Clock::now() + *allotted;
    }
}

SizeType32 ActiveRequest::numGenerated() const {
    return search ? decodingIter : static_cast<SizeType32>(beams.front().tokens.size()) - promptLength();
}

SizeType32 ActiveRequest::stepTokens() const {
    return stage == Stage::kGENERATION ? static_cast<SizeType32>(beams.size()) : promptLength();
}

SchedulableRequest ActiveRequest::schedulable(SizeType32 tokensPerBlock) const {
    auto const selfBlocks = selfBlocksToCompletion(promptLength(), maxNewTokens(), tokensPerBlock, decoding.beamWidth);
    auto const crossBlocks = crossBlocksToCompletion(encoderLength(), tokensPerBlock);
    return {stage, encoderLength(), stepTokens(), selfBlocks, encoded ? 0 : crossBlocks};
}

float ActiveRequest::avgDecodedTokensPerIter() const {
    return decodingIter == 0 ? 0.0F : static_cast<float>(numGenerated()) / static_cast<float>(decodingIter);
}

BlockUse ActiveRequest::blockUse() const {
    SizeType32 const cross = encoded ? encoded->blocks.numBlocks() : 0;
    return {cross + countDistinct(self), reusedEncoder ? cross : 0};
}

bool const* ActiveRequest::maskAt(SizeType32 position) const {
    if (!crossAttentionMask) {
        return nullptr;
    }
    auto const row = std::min<std::int64_t>(position, crossAttentionMask->getShape()[0] - 1);
    return static_cast<bool const*>(crossAttentionMask->getData()) + row * encoderLength();
}

void ActiveRequest::noteStep() {
    times.lastToken = Clock::now();
    if (decodingIter++ == 0) {
        times.firstToken = times.lastToken;
    }
}

void ActiveRequest::accept(Choice const& choice) {
    noteStep();
    auto& beam = beams.front();
    beam.cumLogProb += choice.cumLogProb;
    bool const isEnd = choice.token == decoding.endId;
    if (!isEnd) {
        beam.tokens.push_back(choice.token);
        beam.parents.push_back(0);
        if (output.returnLogProbs) {
            beam.logProbs.push_back(choice.logProb);
        }
    }
    finishReason = beam.finishReason = finishAfter(decoding, isEnd, beam.tokens);
}

void ActiveRequest::advance(std::span<compute::Candidate const> candidates) {
    noteStep();
    followParents(search->advance(candidates, beams));
    if (search->isDone()) {
        finishReason = search->best(beams, finishReason).front().finishReason;
    } else if (decodingIter >= maxNewTokens()) {
        finishReason = texec::FinishReason::kLENGTH;
    }
}

/// Each beam takes over the blocks of the one that it continues; the last to do so needs no copy.
void ActiveRequest::followParents(std::span<SizeType32 const> parents) {
    std::vector<SequenceBlocks> next;
    next.reserve(parents.size());
    for (std::size_t i = 0; i < parents.size(); ++i) {
        auto& blocks = self[static_cast<std::size_t>(parents[i])];
        bool const isLast = std::ranges::find(parents.subspan(i + 1), parents[i]) == parents.end();
        next.push_back(isLast ? std::move(blocks) : blocks.fork());
    }
    self = std::move(next);
}

void ActiveRequest::endEarly(texec::FinishReason reason) {
    finishReason = reason;
    if (!search) {
        beams.front().finishReason = reason;
    }
}

} // namespace embedded
