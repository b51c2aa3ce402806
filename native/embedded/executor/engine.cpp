#include "executor/engine.h"

#include "executor/hostMemory.h"
#include "executor/responseBuilder.h"

#include <algorithm>
#include <utility>

namespace embedded {

namespace {

SchedulerLimits schedulerLimits(EngineLimits const& limits, texec::ExecutorConfig const& config) {
    return {config.getSchedulerConfig().getCapacitySchedulerPolicy(), limits.maxBatchSize, limits.maxNumTokens,
        limits.encoderTokenBudget};
}

RequestPolicy requestPolicy(texec::ExecutorConfig const& config) {
    auto const postProcessors = config.getLogitsPostProcessorConfig();
    return {config.getNormalizeLogProbs(), config.getGatherGenerationLogits(),
        postProcessors && postProcessors->getProcessorBatched()};
}

std::string errorText(std::string const& message) {
    return message.starts_with("[ERR_") ? message : "[ERR_RUNTIME] " + message;
}

} // namespace

Engine::Engine(texec::Model const* encoder, texec::Model const& decoder, texec::ExecutorConfig const& config,
    RequestQueue& requests, ResponseQueue& responses)
    : mPolicy(requestPolicy(config))
    , mRequests(requests)
    , mResponses(responses)
    , mLimits(chooseLimits(config, encoder == nullptr ? absentEncoder(decoder.config()) : encoder->config(),
          decoder.config(), decoder.options(), availableHostMemory()))
    , mSchedulerLimits(schedulerLimits(mLimits, config))
    , mRunner(encoder, decoder, mLimits, config.getLogitsPostProcessorConfig())
    , mRecorder(config, mLimits) {}

bool Engine::step() {
    bool const closed = fetch();
    try {
        endOverdue();
        collectResponses();
        run();
        mRecorder.requests(mActive, mRequests);
        collectResponses();
    } catch (std::exception const& error) {
        failActive(error.what());
    }
    publish();
    return !(closed && mActive.empty());
}

/// While a request waits for blocks nobody is fetched behind it: in the queue a higher priority can still go first.
bool Engine::fetch() {
    auto const numFree = mSchedule.waitsForBlocks ? 0 : mLimits.maxBatchSize - static_cast<SizeType32>(mActive.size());
    auto const fetched = mRequests.fetch(numFree, mActive.empty());
    mRecorder.begin();
    for (auto const& queued : fetched.cancelledQueued) {
        mOutbox.push_back(cancelledResponse(queued));
    }
    for (auto const& queued : fetched.requests) {
        try {
            admit(queued);
        } catch (std::exception const& error) { // its adapter, or memory: this request's trouble, not the engine's
            mOutbox.emplace_back(queued.id, errorText(error.what()), queued.request.getClientId());
        }
    }
    for (auto const id : fetched.cancelledActive) {
        cancelActive(id);
    }
    return fetched.closed;
}

void Engine::admit(QueuedRequest const& queued) {
    auto error = validateRequest(queued.request, mLimits, mRunner.encoderConfig(), mRunner.decoderConfig(), mPolicy);
    std::vector<std::unique_ptr<ActiveRequest>> sequences;
    if (!error) {
        auto const group = std::make_shared<SequenceGroup>(queued.id, numSequences(queued.request));
        auto const lora = queued.request.getLoraConfig();
        auto const adapter = lora ? mRunner.adapterCache().acquire(*lora) : nullptr;
        for (SizeType32 index = 0; index < group->numUnfinished; ++index) {
            sequences.push_back(std::make_unique<ActiveRequest>(group, index, queued, adapter, mLimits, mPolicy));
        }
        error = checkFits(*sequences.front(), mLimits);
    }
    if (error) {
        mOutbox.emplace_back(queued.id, *error, queued.request.getClientId());
        return;
    }
    for (auto& sequence : sequences) {
        mRecorder.becameActive(queued.arrival);
        mActive.push_back(std::move(sequence));
    }
}

void Engine::cancelActive(texec::IdType id) {
    for (auto& request : mActive) {
        if (request->group->id == id && !request->isFinished()) {
            request->endEarly(texec::FinishReason::kCANCELLED);
        }
    }
}

void Engine::endOverdue() {
    auto const now = ActiveRequest::Clock::now();
    for (auto& request : mActive) {
        if (!request->isFinished() && request->isOverdue(now)) {
            request->endEarly(texec::FinishReason::kTIMED_OUT);
        }
    }
}

void Engine::run() {
    chooseNext();
    if (!mSchedule.encode.empty()) {
        encode();
    }
    if (!mSchedule.decode.empty()) {
        decode();
    }
}

void Engine::chooseNext() {
    mSchedulable.clear();
    mToBeEncoded.clear();
    for (auto const& request : mActive) {
        mSchedulable.push_back(schedulable(*request));
    }
    auto const retained = mRunner.encoderCache().numRetainedBlocks();
    schedule(mSchedulable, mSchedulerLimits, {mRunner.selfPool().numBlocks(), mRunner.crossPool().numFree() + retained},
        mSchedule);
}

/// With an equal input in the cache, or one that is encoded in the same step, a request needs no encoder pass and no
/// blocks of its own; if nobody else uses the cached one, its blocks stop counting as free.
SchedulableRequest Engine::schedulable(ActiveRequest const& request) {
    auto result = request.schedulable(mLimits.tokensPerBlock);
    if (request.stage != Stage::kENCODER || !request.mayReuse() || mLimits.maxRetainedInputs == 0) {
        return result;
    }
    auto const cached = mRunner.encoderCache().find(request.encoderInput);
    auto const isEqual = [&](auto const* other) { return other->encoderInput == request.encoderInput; };
    bool const comesEarlier = !cached && std::ranges::any_of(mToBeEncoded, isEqual);
    if (cached || comesEarlier) {
        result.encoderLength = 0;
        result.crossBlocks = cached && EncoderCache::isRetained(cached, 1) ? cached->blocks.numBlocks() : 0;
    } else {
        mToBeEncoded.push_back(&request);
    }
    return result;
}

/// Requests with one adapter side by side, so that their rows are joined.
void Engine::choose(std::span<std::size_t const> indices) {
    mChosen.clear();
    for (auto const index : indices) {
        mChosen.push_back(mActive[index].get());
    }
    std::ranges::sort(
        mChosen, {}, [](auto const* request) { return std::pair(request->encoderInput.adapterVersion, request->id); });
}

void Engine::encode() {
    choose(mSchedule.encode);
    auto const now = ActiveRequest::Clock::now();
    for (auto* const request : mChosen) {
        request->times.firstScheduled = now;
        request->firstIter = mRecorder.iteration();
    }
    mRunner.encode(mChosen);
    auto const encoded = ActiveRequest::Clock::now();
    for (auto* const request : mChosen) {
        request->times.encoded = encoded;
    }
}

void Engine::decode() {
    choose(mSchedule.decode);
    mRecorder.scheduled(mChosen);
    mRunner.decode(mChosen);
}

void Engine::collectResponses() {
    for (auto const& request : mActive) {
        if (request->error) {
            failGroup(*request, *request->error);
        } else if (!request->group->failed && (request->isFinished() || (request->streaming && request->hasNews()))) {
            request->group->numUnfinished -= request->isFinished() ? 1 : 0;
            mOutbox.push_back(responseOf(*request));
        }
    }
    auto const numEnded =
        std::erase_if(mActive, [](auto const& request) { return request->isFinished() || request->group->failed; });
    if (numEnded > 0) {
        mRecorder.completed(static_cast<SizeType32>(numEnded));
        mRunner.encoderCache().trim();
    }
}

texec::Response Engine::responseOf(ActiveRequest& request) const {
    try {
        return buildResponse(request, mRunner.decoderConfig().vocabSize, mRecorder.iteration());
    } catch (std::exception const& error) {
        request.group->failed = true;
        return {request.group->id, errorText(error.what()), request.clientId};
    }
}

/// One error response ends all samples of a request.
void Engine::failGroup(ActiveRequest const& request, std::string const& message) {
    if (!std::exchange(request.group->failed, true)) {
        mOutbox.emplace_back(request.group->id, errorText(message), request.clientId);
    }
}

void Engine::failActive(std::string const& message) {
    for (auto const& request : mActive) {
        failGroup(*request, message);
    }
    mRecorder.completed(static_cast<SizeType32>(mActive.size()));
    mActive.clear();
    mRunner.forgetEncodedInputs();
}

void Engine::publish() {
    mRecorder.end(static_cast<SizeType32>(mActive.size()), mRequests.size(), mRunner);
    updateSnapshot();
    if (!mOutbox.empty()) {
        mResponses.publish(std::move(mOutbox));
        mOutbox.clear();
    }
}

void Engine::updateSnapshot() {
    auto const& encoded = mRunner.encoderCache();
    auto const retained = encoded.numRetainedBlocks();
    std::lock_guard const lock(mSnapshotMutex);
    mSnapshot = {static_cast<SizeType32>(mActive.size()), mRunner.selfPool().numUsed(),
        mRunner.crossPool().numUsed() - retained, retained, encoded.numHits(), encoded.numMisses(),
        mRecorder.iteration()};
}

EngineSnapshot Engine::snapshot() const {
    std::lock_guard const lock(mSnapshotMutex);
    return mSnapshot;
}

} // namespace embedded
