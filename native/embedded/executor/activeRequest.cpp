#include "executor/activeRequest.h"

#include "cache/blockCounts.h"

#include <algorithm>

namespace embedded {

ActiveRequest::ActiveRequest(texec::IdType requestId, texec::Request const& request, EngineLimits const& limits)
    : id(requestId)
    , clientId(request.getClientId())
    , priority(request.getPriority())
    , streaming(request.getStreaming())
    , returnAllGeneratedTokens(request.getReturnAllGeneratedTokens())
    , output(request.getOutputConfig())
    , endId(request.getEndId().value_or(-1))
    , encoderTokens(*request.getEncoderInputTokenIds())
    , tokens(request.getInputTokenIds()) {
    promptLength = static_cast<SizeType32>(tokens.size());
    maxNewTokens = std::min(request.getMaxTokens(), limits.maxSequenceLength - promptLength);
    if (auto const allotted = request.getAllottedTimeMs()) {
        deadline = Clock::now() + *allotted;
    }
}

SchedulableRequest ActiveRequest::schedulable(SizeType32 tokensPerBlock) const {
    SizeType32 const selfBlocks = selfBlocksToCompletion(promptLength, maxNewTokens, tokensPerBlock);
    SizeType32 const crossBlocks = crossBlocksToCompletion(encoderLength(), tokensPerBlock);
    return {stage, encoderLength(), stepTokens(), selfBlocks - (self ? self->numBlocks() : 0),
        crossBlocks - (cross ? cross->numBlocks() : 0)};
}

void ActiveRequest::abandon(texec::FinishReason reason) {
    SizeType32 const kept = streaming ? numDelivered : 0;
    tokens.resize(static_cast<std::size_t>(promptLength + kept));
    logProbs.resize(std::min(logProbs.size(), static_cast<std::size_t>(kept)));
    generationLogits.clear();
    finishReason = reason;
}

} // namespace embedded
