#include "executor/responseBuilder.h"

#include "executor/responseAccess.h"

#include <algorithm>

namespace embedded {

namespace {

texec::VecTokens outputTokens(ActiveRequest const& request, Beam const& beam) {
    auto const generated = beam.tokens.begin() + request.promptLength();
    if (!request.streaming) {
        return {request.output.excludeInputFromOutput ? generated : beam.tokens.begin(), beam.tokens.end()};
    }
    auto const delivered = request.returnAllGeneratedTokens ? 0 : request.numDelivered;
    return {generated + delivered, beam.tokens.end()};
}

/// The row that the beam continued at that step; the end id's step has no parent, and a row only without beams.
float const* logitsOf(ActiveRequest const& request, Beam const& beam, std::size_t step, SizeType32 vocabSize) {
    auto const parent = step < beam.parents.size() ? beam.parents[step] : 0;
    auto const row = static_cast<std::size_t>(parent) * static_cast<std::size_t>(vocabSize);
    return request.generationLogits[step].data() + row;
}

/// [beams, maxTokens, V], rows past the end zero.
texec::Tensor allLogits(ActiveRequest const& request, std::span<Beam const> beams, SizeType32 vocabSize) {
    auto const numBeams = static_cast<SizeType32>(beams.size());
    auto tensor = texec::Tensor::cpu(texec::DataType::kFP32, {numBeams, request.maxNewTokens(), vocabSize});
    tensor.setZero();
    auto* const begin = static_cast<float*>(tensor.getData());
    auto const beamSize = static_cast<std::ptrdiff_t>(tensor.getSize()) / numBeams;
    for (std::ptrdiff_t i = 0; i < numBeams; ++i) {
        auto const& beam = beams[static_cast<std::size_t>(i)];
        auto* next = begin + i * beamSize;
        auto const numSteps = request.search ? beam.parents.size() : request.generationLogits.size();
        for (std::size_t step = 0; step < numSteps; ++step) {
            next = std::copy_n(logitsOf(request, beam, step, vocabSize), vocabSize, next);
        }
    }
    return tensor;
}

/// [tokens of this response, 1, V]
std::optional<texec::Tensor> newLogits(ActiveRequest& request, SizeType32 vocabSize) {
    auto const first = request.returnAllGeneratedTokens ? 0 : request.numDelivered;
    auto const numRows = request.numGenerated() - first;
    if (numRows == 0) {
        return std::nullopt;
    }
    auto tensor = texec::Tensor::cpu(texec::DataType::kFP32, {numRows, 1, vocabSize});
    auto* next = static_cast<float*>(tensor.getData());
    for (SizeType32 step = first; step < request.numGenerated(); ++step) {
        next = std::copy_n(request.generationLogits[static_cast<std::size_t>(step)].data(), vocabSize, next);
    }
    return tensor;
}

std::optional<texec::Tensor> outputLogits(ActiveRequest& request, std::span<Beam const> beams, SizeType32 vocabSize) {
    if (!request.output.returnGenerationLogits) {
        return std::nullopt;
    }
    return request.streaming ? newLogits(request, vocabSize) : allLogits(request, beams, vocabSize);
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

void addBeams(ActiveRequest const& request, std::span<Beam const> beams, texec::Result& result) {
    if (request.output.returnLogProbs) {
        result.cumLogProbs.emplace();
        result.logProbs.emplace();
    }
    for (auto const& beam : beams) {
        result.outputTokenIds.push_back(outputTokens(request, beam));
        // Without an end of the request no beam is reported as finished.
        result.finishReasons.push_back(request.isFinished() ? beam.finishReason : texec::FinishReason::kNOT_FINISHED);
        if (request.output.returnLogProbs) {
            result.cumLogProbs->push_back(beam.cumLogProb);
            result.logProbs->push_back(beam.logProbs);
        }
    }
}

} // namespace

texec::Response buildResponse(ActiveRequest& request, SizeType32 vocabSize, texec::IterationType iteration) {
    std::vector<Beam> found;
    if (request.search) {
        found = request.search->best(request.beams, request.finishReason);
    }
    std::span<Beam const> const beams = request.search ? found : request.beams;
    texec::Result result;
    result.isSequenceFinal = request.isFinished();
    result.isFinal = request.isFinished() && request.group->numUnfinished == 0;
    result.sequenceIndex = request.sequenceIndex;
    result.decodingIter = request.decodingIter;
    result.avgDecodedTokensPerIter = request.avgDecodedTokensPerIter();
    addBeams(request, beams, result);
    result.generationLogits = outputLogits(request, beams, vocabSize);
    result.contextLogits = request.contextLogits;
    result.encoderOutput = request.encoderOutput;
    if (request.output.returnPerfMetrics) {
        result.requestPerfMetrics = perfMetrics(request, iteration);
    }
    request.numDelivered = request.numGenerated();
    texec::Response response(request.group->id, std::move(result), request.clientId);
    if (request.output.returnPerfMetrics && request.encoded) {
        texec::ResponseAccess::setEncodedTime(response, request.times.encoded);
    }
    if (request.search) {
        auto const stable =
            request.isFinished() ? std::ssize(beams.front().tokens) : request.search->stableLength(request.beams);
        texec::ResponseAccess::setStableLength(
            response, std::max(static_cast<SizeType32>(stable) - request.promptLength(), 0));
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
