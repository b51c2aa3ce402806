#include "executor/activeRequest.h"

#include "cache/blockCounts.h"
#include "decoding/stopCriteria.h"

#include <algorithm>

namespace embedded {

ActiveRequest::ActiveRequest(
    texec::IdType requestId, texec::Request const& request, EngineLimits const& limits, Clock::time_point arrival)
    : id(requestId)
    , clientId(request.getClientId())
    , priority(request.getPriority())
    , streaming(request.getStreaming())
    , returnAllGeneratedTokens(request.getReturnAllGeneratedTokens())
    , output(request.getOutputConfig())
    , endId(request.getEndId().value_or(-1))
    , encoderTokens(*request.getEncoderInputTokenIds())
    , tokens(request.getInputTokenIds()) {
    times.arrival = arrival;
    promptLength = static_cast<SizeType32>(tokens.size());
    maxNewTokens = std::min(request.getMaxTokens(), limits.maxSequenceLength - promptLength);
    if (auto const allotted = request.getAllottedTimeMs()) {
        deadline = Clock::now() + *allotted;
    }
}

SchedulableRequest ActiveRequest::schedulable(SizeType32 tokensPerBlock) const {
    SizeType32 const selfBlocks = selfBlocksToCompletion(promptLength, maxNewTokens, tokensPerBlock);
    SizeType32 const crossBlocks = crossBlocksToCompletion(encoderLength(), tokensPerBlock);
    return {
        stage, encoderLength(), stepTokens(), selfBlocks - (self ? self->numBlocks() : 0), encoded ? 0 : crossBlocks};
}

float ActiveRequest::avgDecodedTokensPerIter() const {
    return decodingIter == 0 ? 0.0F : static_cast<float>(numGenerated()) / static_cast<float>(decodingIter);
}

BlockUse ActiveRequest::blockUse() const {
    SizeType32 const cross = encoded ? encoded->blocks.numBlocks() : 0;
    return {cross + (self ? self->numBlocks() : 0), reusedEncoder ? cross : 0};
}

void ActiveRequest::accept(Choice const& choice) {
    times.lastToken = Clock::now();
    if (decodingIter++ == 0) {
        times.firstToken = times.lastToken;
    }
    cumLogProb += choice.logProb;
    bool const isEnd = choice.token == endId;
    if (!isEnd) {
        tokens.push_back(choice.token);
        if (output.returnLogProbs) {
            logProbs.push_back(choice.logProb);
        }
    }
    finishReason = finishAfter(isEnd, numGenerated(), maxNewTokens);
}

} // namespace embedded
