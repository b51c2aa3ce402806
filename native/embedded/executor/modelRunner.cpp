#include "executor/modelRunner.h"

#include "cache/blockCounts.h"
#include "model/modelError.h"

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

std::unique_ptr<compute::KvStore> allocateCache(
    compute::Backend& backend, ModelConfig const& config, SizeType32 numBlocks, SizeType32 tokensPerBlock) {
    return backend.allocateKv({config.numLayers, config.numHeads, config.headSize, numBlocks, tokensPerBlock});
}

void addSlots(SequenceBlocks const& blocks, SizeType32 first, std::vector<compute::KvSlot>& slots) {
    for (SizeType32 position = first; position < blocks.numTokens(); ++position) {
        slots.push_back({blocks.blockAt(position), blocks.offsetAt(position)});
    }
}

} // namespace

ModelRunner::ModelRunner(texec::Model const& encoder, texec::Model const& decoder, EngineLimits const& limits)
    : mEncoderConfig(encoder.config())
    , mDecoderConfig(checkedPair(decoder, encoder))
    , mLimits(limits)
    , mBackend(compute::makeCpuBackend(decoder.options().threads))
    , mSelfCache(allocateCache(*mBackend, mDecoderConfig, limits.numSelfBlocks, limits.tokensPerBlock))
    , mCrossCache(allocateCache(*mBackend, mDecoderConfig, limits.numCrossBlocks, limits.tokensPerBlock))
    , mSelfPool(limits.numSelfBlocks)
    , mCrossPool(limits.numCrossBlocks)
    , mEncoderCache(mCrossPool, limits.maxRetainedInputs)
    , mEncoder(mEncoderConfig,
          loadEncoderWeights({encoder.file(), mEncoderConfig, encoder.weightType()}, limits.maxInputLength, *mBackend),
          limits.maxNumTokens, limits.maxBatchSize, *mBackend)
    , mDecoder(mDecoderConfig,
          loadDecoderWeights(
              {decoder.file(), mDecoderConfig, decoder.weightType()}, limits.maxSequenceLength, *mBackend),
          limits.maxNumTokens, limits.maxBatchSize, limits.maxNumTokens, *mBackend)
    , mSampler(*mBackend) {}

void ModelRunner::encode(std::span<ActiveRequest* const> requests) {
    attachReused(requests); // first of all, so that making room drops nothing that is about to be used
    mToEncode.clear();
    mEncoderInputs.clear();
    mCrossSlots.clear();
    for (auto* const request : requests) {
        if (!request->encoded) {
            fillOrReuse(*request);
        }
        request->self.emplace(mSelfPool, mLimits.tokensPerBlock, request->promptLength + request->maxNewTokens);
        request->stage = Stage::kCONTEXT;
    }
    if (mToEncode.empty()) {
        return;
    }
    auto const* rows = mEncoder.forward(mEncoderInputs);
    mDecoder.writeCross(rows, mCrossSlots, *mCrossCache);
    for (auto* const request : mToEncode) {
        keepEncoderOutput(*request, rows);
        rows += static_cast<std::ptrdiff_t>(request->encoderLength()) * mEncoderConfig.hiddenSize;
    }
}

void ModelRunner::attachReused(std::span<ActiveRequest* const> requests) {
    for (auto* const request : requests) {
        request->encoded = request->mayReuse() ? mEncoderCache.find(request->encoderTokens) : nullptr;
        if (request->encoded) {
            noteReuse(*request);
        }
    }
}

void ModelRunner::noteReuse(ActiveRequest& request) {
    request.reusedEncoder = true;
    mEncoderCache.reuse(request.encoded);
}

/// An equal input may have come earlier in the same step.
void ModelRunner::fillOrReuse(ActiveRequest& request) {
    request.encoded = request.mayReuse() ? mEncoderCache.find(request.encoderTokens) : nullptr;
    if (request.encoded) {
        noteReuse(request);
        return;
    }
    mEncoderCache.makeRoom(blocksFor(request.encoderLength(), mLimits.tokensPerBlock));
    SequenceBlocks blocks(mCrossPool, mLimits.tokensPerBlock, request.encoderLength());
    blocks.grow(request.encoderLength());
    addSlots(blocks, 0, mCrossSlots);
    request.encoded = std::make_shared<EncodedInput>(EncodedInput{request.encoderTokens, std::move(blocks)});
    if (request.mayReuse()) {
        mEncoderCache.insert(request.encoded);
    }
    mToEncode.push_back(&request);
    mEncoderInputs.emplace_back(request.encoderTokens);
}

void ModelRunner::keepEncoderOutput(ActiveRequest& request, float const* rows) const {
    if (request.output.returnEncoderOutput) {
        request.encoderOutput =
            texec::Tensor::cpu(texec::DataType::kFP32, {request.encoderLength(), mEncoderConfig.hiddenSize});
        mBackend->copyToHost(
            rows, {static_cast<float*>(request.encoderOutput->getData()), request.encoderOutput->getSize()});
    }
}

void ModelRunner::decode(std::span<ActiveRequest* const> requests) {
    mBatch.clear();
    for (auto* const request : requests) {
        addRows(*request);
    }
    sample(requests, mDecoder.forward(mBatch, *mSelfCache, *mCrossCache));
}

void ModelRunner::addRows(ActiveRequest& request) {
    SizeType32 const first = request.self->numTokens();
    request.self->grow(request.stepTokens());
    addSlots(*request.self, first, mBatch.selfSlots);
    for (SizeType32 position = first; position < request.self->numTokens(); ++position) {
        mBatch.tokens.push_back(request.tokens[static_cast<std::size_t>(position)]);
        mBatch.selfRows.push_back({request.self->ids(), position + 1, position});
        mBatch.crossRows.push_back({request.encoded->blocks.ids(), request.encoderLength(), position});
    }
    mBatch.logitRows.push_back(static_cast<SizeType32>(mBatch.tokens.size()) - 1);
    request.stage = Stage::kGENERATION;
}

void ModelRunner::sample(std::span<ActiveRequest* const> requests, float const* logits) {
    mWantsLogProb.clear();
    for (auto const* const request : requests) {
        mWantsLogProb.push_back(request->output.returnLogProbs);
    }
    auto const choices = mSampler.sample(logits, mDecoderConfig.vocabSize, mWantsLogProb);
    auto const vocabSize = static_cast<std::size_t>(mDecoderConfig.vocabSize);
    for (std::size_t row = 0; row < requests.size(); ++row) {
        auto& request = *requests[row];
        if (request.output.returnGenerationLogits) {
            auto& kept = request.generationLogits;
            kept.resize(kept.size() + vocabSize);
            mBackend->copyToHost(logits + row * vocabSize, std::span(kept).last(vocabSize));
        }
        request.accept(choices[row]);
    }
}

} // namespace embedded
