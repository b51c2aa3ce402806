#include "executor/responseBuilder.h"

#include "executor/responseAccess.h"

#include <algorithm>

namespace embedded {

namespace {

texec::VecTokens outputTokens(ActiveRequest const& request) {
    auto const generated = request.tokens.begin() + request.promptLength;
    if (!request.streaming) {
        return {request.output.excludeInputFromOutput ? generated : request.tokens.begin(), request.tokens.end()};
    }
    return {request.returnAllGeneratedTokens ? generated : generated + request.numDelivered, request.tokens.end()};
}

/// Streaming [tokens of this response, 1, V], else [1, maxTokens, V], rows past the end zero.
std::optional<texec::Tensor> outputLogits(ActiveRequest& request, SizeType32 numTokens, SizeType32 vocabSize) {
    SizeType32 const numRows = request.streaming ? numTokens : request.maxNewTokens;
    if (!request.output.returnGenerationLogits || numRows == 0) {
        return std::nullopt;
    }
    auto tensor = request.streaming ? texec::Tensor::cpu(texec::DataType::kFP32, {numRows, 1, vocabSize})
                                    : texec::Tensor::cpu(texec::DataType::kFP32, {1, numRows, vocabSize});
    tensor.setZero();
    auto const count = std::min(request.generationLogits.size(), tensor.getSize());
    std::copy_n(request.generationLogits.begin(), count, static_cast<float*>(tensor.getData()));
    request.generationLogits.clear();
    return tensor;
}

texec::RequestPerfMetrics perfMetrics(ActiveRequest const& request, texec::IterationType iteration) {
    texec::RequestPerfMetrics metrics{};
    metrics.timingMetrics.arrivalTime = request.times.arrival;
    metrics.timingMetrics.firstScheduledTime = request.times.firstScheduled;
    metrics.timingMetrics.firstTokenTime = request.times.firstToken;
    metrics.timingMetrics.lastTokenTime = request.times.lastToken;
    auto const blocks = request.blockUse();
    auto& cache = metrics.kvCacheMetrics;
    cache.numTotalAllocatedBlocks = blocks.total;
    cache.numNewAllocatedBlocks = blocks.filled();
    cache.numReusedBlocks = blocks.reused;
    cache.numMissedBlocks = blocks.filled();
    cache.kvCacheHitRate = blocks.hitRate();
    if (request.firstIter > 0) {
        metrics.firstIter = request.firstIter;
    }
    metrics.iter = iteration;
    if (request.isFinished()) {
        metrics.lastIter = iteration;
    }
    return metrics;
}

} // namespace

texec::Response buildResponse(
    ActiveRequest& request, SizeType32 vocabSize, bool normalizeLogProbs, texec::IterationType iteration) {
    texec::Result result;
    result.isFinal = request.isFinished();
    result.isSequenceFinal = request.isFinished();
    result.outputTokenIds = {outputTokens(request)};
    result.finishReasons = {request.finishReason};
    result.decodingIter = request.decodingIter;
    result.avgDecodedTokensPerIter = request.avgDecodedTokensPerIter();
    if (request.output.returnLogProbs) {
        result.cumLogProbs = {request.cumLogProb};
        result.logProbs = {normalizeLogProbs ? texec::VecLogProbs(request.logProbs.size(), 0.0F) : request.logProbs};
    }
    result.generationLogits = outputLogits(request, request.numGenerated() - request.numDelivered, vocabSize);
    result.encoderOutput = request.encoderOutput;
    if (request.output.returnPerfMetrics) {
        result.requestPerfMetrics = perfMetrics(request, iteration);
    }
    request.numDelivered = request.numGenerated();
    texec::Response response(request.id, std::move(result), request.clientId);
    if (request.output.returnPerfMetrics && request.encoded) {
        texec::ResponseAccess::setEncodedTime(response, request.times.encoded);
    }
    return response;
}

texec::Response cancelledResponse(QueuedRequest const& queued) {
    texec::Result result;
    result.isFinal = true;
    result.isSequenceFinal = true;
    bool const withPrompt = !queued.request.getStreaming() && !queued.request.getOutputConfig().excludeInputFromOutput;
    result.outputTokenIds = {withPrompt ? queued.request.getInputTokenIds() : texec::VecTokens{}};
    result.finishReasons = {texec::FinishReason::kCANCELLED};
    return {queued.id, std::move(result), queued.request.getClientId()};
}

} // namespace embedded
