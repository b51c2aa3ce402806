#include "executor/engine.h"

#include "decoding/stopCriteria.h"
#include "executor/hostMemory.h"
#include "executor/responseBuilder.h"
#include "model/modelError.h"

#include <algorithm>
#include <iterator>

namespace embedded {

namespace {

/// The decoder's fused cross-attention weights have one width for its own rows and the encoder's.
ModelConfig const& checkedPair(texec::Model const& decoder, texec::Model const& encoder) {
    auto const& config = decoder.config();
    if (config.encoderHiddenSize != encoder.config().hiddenSize || config.hiddenSize != config.encoderHiddenSize) {
        throw ModelError(
            decoder.file().path(), "encoder_hidden_size", "must equal hidden_size of the encoder and of the decoder");
    }
    return config;
}

SchedulerLimits schedulerLimits(EngineLimits const& limits, texec::ExecutorConfig const& config) {
    return {config.getSchedulerConfig().getCapacitySchedulerPolicy(), limits.maxBatchSize, limits.maxNumTokens,
        limits.maxNumTokens};
}

std::unique_ptr<compute::KvStore> allocateCache(
    compute::Backend& backend, ModelConfig const& config, SizeType32 numBlocks, SizeType32 tokensPerBlock) {
    return backend.allocateKv({config.numLayers, config.numHeads, config.headSize, numBlocks, tokensPerBlock});
}

std::string errorText(std::string const& message) {
    return message.starts_with("[ERR_") ? message : "[ERR_RUNTIME] " + message;
}

void addSlots(SequenceBlocks const& blocks, SizeType32 first, std::vector<compute::KvSlot>& slots) {
    for (SizeType32 position = first; position < blocks.numTokens(); ++position) {
        slots.push_back({blocks.blockAt(position), blocks.offsetAt(position)});
    }
}

} // namespace

Engine::Engine(texec::Model const& encoder, texec::Model const& decoder, texec::ExecutorConfig const& config,
    RequestQueue& requests, ResponseQueue& responses)
    : mEncoderConfig(encoder.config())
    , mDecoderConfig(checkedPair(decoder, encoder))
    , mNormalizeLogProbs(config.getNormalizeLogProbs())
    , mGatherGenerationLogits(config.getGatherGenerationLogits())
    , mRequests(requests)
    , mResponses(responses)
    , mBackend(compute::makeCpuBackend(decoder.options().threads))
    , mLimits(chooseLimits(config, mDecoderConfig, availableHostMemory()))
    , mSchedulerLimits(schedulerLimits(mLimits, config))
    , mSelfCache(allocateCache(*mBackend, mDecoderConfig, mLimits.numSelfBlocks, mLimits.tokensPerBlock))
    , mCrossCache(allocateCache(*mBackend, mDecoderConfig, mLimits.numCrossBlocks, mLimits.tokensPerBlock))
    , mSelfPool(mLimits.numSelfBlocks)
    , mCrossPool(mLimits.numCrossBlocks)
    , mEncoder(mEncoderConfig,
          loadEncoderWeights({encoder.file(), mEncoderConfig, encoder.weightType()}, mLimits.maxInputLength, *mBackend),
          mLimits.maxNumTokens, mLimits.maxBatchSize, *mBackend)
    , mDecoder(mDecoderConfig,
          loadDecoderWeights(
              {decoder.file(), mDecoderConfig, decoder.weightType()}, mLimits.maxSequenceLength, *mBackend),
          mLimits.maxNumTokens, mLimits.maxBatchSize, mLimits.maxNumTokens, *mBackend)
    , mSampler(*mBackend) {}

bool Engine::step() {
    bool const closed = fetch();
    try {
        endOverdue();
        collectResponses();
        run();
        collectResponses();
    } catch (std::exception const& error) {
        failActive(error.what());
    }
    publish();
    return !(closed && mActive.empty());
}

bool Engine::fetch() {
    auto const numFree = mLimits.maxBatchSize - static_cast<SizeType32>(mActive.size());
    auto const fetched = mRequests.fetch(numFree, mActive.empty());
    for (auto const& queued : fetched.cancelledQueued) {
        mOutbox.push_back(cancelledResponse(queued));
    }
    for (auto const& queued : fetched.requests) {
        admit(queued);
    }
    for (auto const id : fetched.cancelledActive) {
        cancelActive(id);
    }
    return fetched.closed;
}

void Engine::admit(QueuedRequest const& queued) {
    auto const error = validateRequest(
        queued.request, mLimits, mEncoderConfig.vocabSize, mDecoderConfig.vocabSize, mGatherGenerationLogits);
    if (error) {
        mOutbox.emplace_back(queued.id, *error, queued.request.getClientId());
        return;
    }
    auto request = std::make_unique<ActiveRequest>(queued.id, queued.request, mLimits);
    auto const place = std::ranges::upper_bound(
        mActive, request->priority, std::greater<>(), [](auto const& active) { return active->priority; });
    mActive.insert(place, std::move(request));
}

void Engine::cancelActive(texec::IdType id) {
    auto const found = std::ranges::find(mActive, id, [](auto const& active) { return active->id; });
    if (found != mActive.end()) {
        (*found)->abandon(texec::FinishReason::kCANCELLED);
    }
}

void Engine::endOverdue() {
    auto const now = ActiveRequest::Clock::now();
    for (auto& request : mActive) {
        if (!request->isFinished() && request->isOverdue(now)) {
            request->abandon(texec::FinishReason::kTIMED_OUT);
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
    for (auto const& request : mActive) {
        mSchedulable.push_back(request->schedulable(mLimits.tokensPerBlock));
    }
    schedule(mSchedulable, mSchedulerLimits, {mSelfPool.numFree(), mCrossPool.numFree()}, mSchedule);
}

void Engine::encode() {
    mEncoderInputs.clear();
    mCrossSlots.clear();
    for (auto const index : mSchedule.encode) {
        auto& request = *mActive[index];
        mEncoderInputs.emplace_back(request.encoderTokens);
        request.cross.emplace(mCrossPool, mLimits.tokensPerBlock, request.encoderLength());
        request.cross->grow(request.encoderLength());
        addSlots(*request.cross, 0, mCrossSlots);
        request.self.emplace(mSelfPool, mLimits.tokensPerBlock, request.promptLength + request.maxNewTokens);
        request.stage = Stage::kCONTEXT;
    }
    float const* const output = mEncoder.forward(mEncoderInputs);
    mDecoder.writeCross(output, mCrossSlots, *mCrossCache);
    auto const* rows = output;
    for (auto const index : mSchedule.encode) {
        keepEncoderOutput(*mActive[index], rows);
        rows += static_cast<std::ptrdiff_t>(mActive[index]->encoderLength()) * mEncoderConfig.hiddenSize;
    }
}

void Engine::keepEncoderOutput(ActiveRequest& request, float const* rows) const {
    if (request.output.returnEncoderOutput) {
        request.encoderOutput =
            texec::Tensor::cpu(texec::DataType::kFP32, {request.encoderLength(), mEncoderConfig.hiddenSize});
        mBackend->copyToHost(
            rows, {static_cast<float*>(request.encoderOutput->getData()), request.encoderOutput->getSize()});
    }
}

void Engine::decode() {
    mBatch.clear();
    mWantsLogProb.clear();
    for (auto const index : mSchedule.decode) {
        addRows(*mActive[index]);
        mWantsLogProb.push_back(mActive[index]->output.returnLogProbs);
    }
    sample(mDecoder.forward(mBatch, *mSelfCache, *mCrossCache));
}

void Engine::addRows(ActiveRequest& request) {
    SizeType32 const first = request.self->numTokens();
    request.self->grow(request.stepTokens());
    addSlots(*request.self, first, mBatch.selfSlots);
    for (SizeType32 position = first; position < request.self->numTokens(); ++position) {
        mBatch.tokens.push_back(request.tokens[static_cast<std::size_t>(position)]);
        mBatch.selfRows.push_back({request.self->ids(), position + 1, position});
        mBatch.crossRows.push_back({request.cross->ids(), request.encoderLength(), position});
    }
    mBatch.logitRows.push_back(static_cast<SizeType32>(mBatch.tokens.size()) - 1);
    request.stage = Stage::kGENERATION;
}

void Engine::sample(float const* logits) {
    auto const choices = mSampler.sample(logits, mDecoderConfig.vocabSize, mWantsLogProb);
    for (std::size_t row = 0; row < choices.size(); ++row) {
        auto& request = *mActive[mSchedule.decode[row]];
        if (request.output.returnGenerationLogits) {
            auto const vocabSize = static_cast<std::size_t>(mDecoderConfig.vocabSize);
            auto& kept = request.generationLogits;
            kept.resize(kept.size() + vocabSize);
            mBackend->copyToHost(logits + row * vocabSize, std::span(kept).last(vocabSize));
        }
        accept(request, choices[row]);
    }
}

void Engine::accept(ActiveRequest& request, Choice const& choice) const {
    ++request.decodingIter;
    request.cumLogProb += choice.logProb;
    bool const isEnd = choice.token == request.endId;
    if (!isEnd) {
        request.tokens.push_back(choice.token);
        if (request.output.returnLogProbs) {
            request.logProbs.push_back(choice.logProb);
        }
    }
    request.finishReason = finishAfter(isEnd, request.numGenerated(), request.maxNewTokens);
}

void Engine::collectResponses() {
    for (auto const& request : mActive) {
        if (request->isFinished() || (request->streaming && request->numGenerated() > request->numDelivered)) {
            mOutbox.push_back(responseOf(*request));
        }
    }
    std::erase_if(mActive, [](auto const& request) { return request->isFinished(); });
}

texec::Response Engine::responseOf(ActiveRequest& request) const {
    try {
        return buildResponse(request, mDecoderConfig.vocabSize, mNormalizeLogProbs);
    } catch (std::exception const& error) {
        request.abandon(texec::FinishReason::kCANCELLED);
        return {request.id, errorText(error.what()), request.clientId};
    }
}

void Engine::failActive(std::string const& message) {
    for (auto const& request : mActive) {
        mOutbox.emplace_back(request->id, errorText(message), request->clientId);
    }
    mActive.clear();
}

void Engine::publish() {
    updateSnapshot();
    if (!mOutbox.empty()) {
        mResponses.publish(std::move(mOutbox));
        mOutbox.clear();
    }
}

void Engine::updateSnapshot() {
    std::lock_guard const lock(mSnapshotMutex);
    ++mSnapshot.iteration;
    mSnapshot.numActiveRequests = static_cast<SizeType32>(mActive.size());
    mSnapshot.usedSelfBlocks = mSelfPool.numUsed();
    mSnapshot.usedCrossBlocks = mCrossPool.numUsed();
}

EngineSnapshot Engine::snapshot() const {
    std::lock_guard const lock(mSnapshotMutex);
    return mSnapshot;
}

} // namespace embedded
