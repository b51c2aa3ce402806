#include "executor/modelRunner.h"

#include "cache/blockCounts.h"
#include "model/modelError.h"

#include <algorithm>
#include <numeric>

namespace embedded {

namespace {

/// The decoder's fused cross-attention weights have one width for its own rows and the encoder's.
ModelConfig const& checkedPair(texec::Model const& decoder, ModelConfig const& encoder) {
    auto const& config = decoder.config();
    if (config.encoderHiddenSize != encoder.hiddenSize || config.hiddenSize != config.encoderHiddenSize) {
        throw ModelError(decoder.checkpoint().folder() / "config.json", "encoder_hidden_size",
            "must equal hidden_size of the encoder and of the decoder");
    }
    return config;
}

std::unique_ptr<compute::KvStore> allocateCache(
    compute::Backend& backend, ModelConfig const& config, SizeType32 numBlocks, SizeType32 tokensPerBlock) {
    return backend.allocateKv({config.numLayers, config.numHeads, config.headSize, numBlocks, tokensPerBlock});
}

/// Adapters are small beside the weights that they change: INT8 would save little.
compute::WeightType adapterType(compute::WeightType weights) {
    return weights == compute::WeightType::kFP32 ? weights : compute::WeightType::kBF16;
}

void addSlots(SequenceBlocks const& blocks, SizeType32 first, std::vector<compute::KvSlot>& slots) {
    for (SizeType32 position = first; position < blocks.numTokens(); ++position) {
        slots.push_back({blocks.blockAt(position), blocks.offsetAt(position)});
    }
}

/// Logits take more memory than anything else of a step: the rows of a step go through in pieces, but those of one
/// request together.
SizeType32 maxLogitRows(EngineLimits const& limits) {
    return std::max(limits.maxBatchSize, limits.maxBeamWidth);
}

} // namespace

ModelRunner::ModelRunner(texec::Model const* encoder, texec::Model const& decoder, EngineLimits const& limits,
    std::optional<texec::LogitsPostProcessorConfig> const& postProcessors)
    : mEncoderConfig(encoder == nullptr ? absentEncoder(decoder.config()) : encoder->config())
    , mDecoderConfig(checkedPair(decoder, mEncoderConfig))
    , mLimits(limits)
    , mBackend(compute::makeCpuBackend(decoder.options().threads))
    , mSelfCache(allocateCache(*mBackend, mDecoderConfig, limits.numSelfBlocks, limits.tokensPerBlock))
    , mCrossCache(allocateCache(*mBackend, mDecoderConfig, limits.numCrossBlocks, limits.tokensPerBlock))
    , mSelfPool(limits.numSelfBlocks)
    , mCrossPool(limits.numCrossBlocks)
    , mEncoderCache(mCrossPool, limits.maxRetainedInputs)
    , mAdapterCache({mEncoderConfig, mDecoderConfig, limits.adapters.maxRank, adapterType(decoder.weightType())},
          limits.adapters.cacheBytes, *mBackend)
    , mDecoder(mDecoderConfig,
          loadDecoderWeights(
              {decoder.checkpoint(), mDecoderConfig, decoder.weightType()}, limits.maxSequenceLength, *mBackend),
          limits.maxNumTokens, maxLogitRows(limits), limits.maxNumTokens, *mBackend)
    , mChooser(*mBackend, mDecoderConfig.vocabSize, postProcessors) {
    if (encoder == nullptr) {
        auto const numFloats = static_cast<std::int64_t>(limits.maxNumTokens) * mEncoderConfig.hiddenSize;
        mFeatures = mBackend->allocate(static_cast<std::size_t>(numFloats));
        return;
    }
    WeightSource const source{encoder->checkpoint(), mEncoderConfig, encoder->weightType()};
    mEncoder.emplace(mEncoderConfig, loadEncoderWeights(source, limits.maxInputLength, *mBackend),
        mDecoderConfig.numLayers, limits.maxNumTokens, limits.maxBatchSize, *mBackend);
}

void ModelRunner::encode(std::span<ActiveRequest* const> requests) {
    attachReused(requests); // first of all, so that making room drops nothing that is about to be used
    mToEncode.clear();
    mEncoderInputs.clear();
    mCrossSlots.clear();
    mEncoderAdapters.clear();
    for (auto* const request : requests) {
        if (!request->encoded) {
            fillOrReuse(*request);
        }
        request->self.emplace_back(
            mSelfPool, mLimits.tokensPerBlock, request->promptLength() + request->maxNewTokens());
        request->stage = Stage::kCONTEXT;
    }
    if (mToEncode.empty()) {
        return;
    }
    auto const* rows = encoderOutput();
    mDecoder.writeCross(rows, mCrossSlots, mEncoderAdapters, *mCrossCache);
    for (auto* const request : mToEncode) {
        keepEncoderOutput(*request, rows);
        rows += static_cast<std::ptrdiff_t>(request->encoderLength()) * mEncoderConfig.hiddenSize;
    }
}

/// Of the requests to be encoded, request after request: computed, or as they brought it.
float const* ModelRunner::encoderOutput() {
    if (mEncoder) {
        return mEncoder->forward(mEncoderInputs, mEncoderAdapters);
    }
    float* next = mFeatures->data();
    for (auto const* const request : mToEncode) {
        auto const& features = *request->encoderFeatures;
        mBackend->copyFromHost({static_cast<float const*>(features.getData()), features.getSize()}, next);
        next += features.getSize();
    }
    return mFeatures->data();
}

void ModelRunner::attachReused(std::span<ActiveRequest* const> requests) {
    for (auto* const request : requests) {
        request->encoded = request->mayReuse() ? mEncoderCache.find(request->encoderInput) : nullptr;
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
    request.encoded = request.mayReuse() ? mEncoderCache.find(request.encoderInput) : nullptr;
    if (request.encoded) {
        noteReuse(request);
        return;
    }
    mEncoderCache.makeRoom(blocksFor(request.encoderLength(), mLimits.tokensPerBlock));
    SequenceBlocks blocks(mCrossPool, mLimits.tokensPerBlock, request.encoderLength());
    blocks.grow(request.encoderLength());
    appendAdapterRows(mEncoderAdapters, std::ssize(mCrossSlots), request.encoderLength(), request.adapter.get());
    addSlots(blocks, 0, mCrossSlots);
    request.encoded = std::make_shared<EncodedInput>(EncodedInput{request.encoderInput, std::move(blocks)});
    if (request.mayReuse()) {
        mEncoderCache.insert(request.encoded);
    }
    mToEncode.push_back(&request);
    mEncoderInputs.emplace_back(request.encoderInput.tokens);
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
    mCopies.clear();
    mLastRows.clear();
    for (auto* const request : requests) {
        addRows(*request);
    }
    mBackend->copyBlocks(*mSelfCache, mCopies);
    mDecoder.forward(mBatch, *mSelfCache, *mCrossCache);
    SizeType32 firstRow = 0;
    for (auto* const request : requests) {
        auto const numRows = request->stepTokens();
        keepContextLogits(*request, firstRow);
        firstRow += numRows;
        request->stage = Stage::kGENERATION;
    }
    chooseTokens(requests);
}

void ModelRunner::addRows(ActiveRequest& request) {
    appendAdapterRows(mBatch.adapters, std::ssize(mBatch.tokens), request.stepTokens(), request.adapter.get());
    for (std::size_t beam = 0; beam < request.beams.size(); ++beam) {
        auto& blocks = request.self[beam];
        if (auto const shared = blocks.separateLast()) {
            mCopies.push_back({*shared, blocks.blockAt(blocks.numTokens() - 1)});
        }
        blocks.grow(request.stage == Stage::kGENERATION ? 1 : request.promptLength());
        addBeam(request, beam);
        mLastRows.push_back(static_cast<SizeType32>(mBatch.tokens.size()) - 1);
    }
}

/// A row for each token that the beam's cache does not have yet.
void ModelRunner::addBeam(ActiveRequest const& request, std::size_t beam) {
    auto const& blocks = request.self[beam];
    auto const numNew = request.stage == Stage::kGENERATION ? 1 : request.promptLength();
    auto const first = blocks.numTokens() - numNew;
    addSlots(blocks, first, mBatch.selfSlots);
    for (SizeType32 position = first; position < blocks.numTokens(); ++position) {
        mBatch.tokens.push_back(request.beams[beam].tokens[static_cast<std::size_t>(position)]);
        mBatch.selfRows.push_back({blocks.ids(), position + 1, position});
        mBatch.crossRows.push_back(
            {request.encoded->blocks.ids(), request.encoderLength(), position, request.maskAt(position)});
    }
}

void ModelRunner::keepContextLogits(ActiveRequest& request, SizeType32 firstRow) {
    if (request.stage != Stage::kCONTEXT || !request.output.returnContextLogits) {
        return;
    }
    request.contextLogits =
        texec::Tensor::cpu(texec::DataType::kFP32, {request.promptLength(), mDecoderConfig.vocabSize});
    std::span left(static_cast<float*>(request.contextLogits->getData()), request.contextLogits->getSize());
    for (SizeType32 row = 0; row < request.promptLength(); row += static_cast<SizeType32>(mLogitRows.size())) {
        mLogitRows.resize(static_cast<std::size_t>(std::min(maxLogitRows(mLimits), request.promptLength() - row)));
        std::iota(mLogitRows.begin(), mLogitRows.end(), firstRow + row);
        auto const count = mLogitRows.size() * static_cast<std::size_t>(mDecoderConfig.vocabSize);
        mBackend->copyToHost(mDecoder.logits(mLogitRows), left.first(count));
        left = left.subspan(count);
    }
}

void ModelRunner::chooseTokens(std::span<ActiveRequest* const> requests) {
    auto nextRow = mLastRows.begin();
    while (!requests.empty()) {
        mLogitRows.clear();
        std::size_t count = 0;
        for (; count < requests.size(); ++count) {
            auto const numBeams = requests[count]->beams.size();
            if (mLogitRows.size() + numBeams > static_cast<std::size_t>(maxLogitRows(mLimits))) {
                break;
            }
            mLogitRows.insert(mLogitRows.end(), nextRow, nextRow + static_cast<std::ptrdiff_t>(numBeams));
            nextRow += static_cast<std::ptrdiff_t>(numBeams);
        }
        mChooser.choose(requests.first(count), mDecoder.logits(mLogitRows));
        requests = requests.subspan(count);
    }
}

} // namespace embedded
