#include "model/decoder.h"

namespace embedded {

void DecoderBatch::clear() {
    tokens.clear();
    selfSlots.clear();
    selfRows.clear();
    crossRows.clear();
    adapters.clear();
}

Decoder::Decoder(ModelConfig const& config, DecoderWeights weights, SizeType32 maxTokens, SizeType32 maxLogitRows,
    SizeType32 maxEncoderTokens, compute::Backend& backend)
    : mConfig(config)
    , mWeights(std::move(weights))
    , mBackend(backend)
    , mRunner(config, maxTokens, backend)
    , mCrossAdapters(backend) {
    auto const allocate = [&](SizeType32 rows, SizeType32 cols) {
        return backend.allocate(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols));
    };
    mCrossKeyValue = allocate(maxEncoderTokens, 2 * config.attentionSize());
    mLogitHidden = allocate(maxLogitRows, config.hiddenSize);
    mLogits = allocate(maxLogitRows, config.vocabSize);
}

void Decoder::writeCross(float const* encoderOutput, std::span<compute::KvSlot const> slots,
    std::span<AdapterRows const> adapters, compute::KvStore& cross) {
    std::int64_t const width = mConfig.attentionSize();
    mCrossAdapters.begin(adapters);
    for (SizeType32 layer = 0; layer < mConfig.numLayers; ++layer) {
        auto const& weights = mWeights.layers[static_cast<std::size_t>(layer)].crossAttention;
        float* const key = mCrossKeyValue->data();
        mBackend.matmul(*weights.keyValue, encoderOutput, std::ssize(slots), key);
        mCrossAdapters.add(layer, LoraSite::kCROSS_KEY_VALUE, encoderOutput, key, 2 * width);
        mBackend.storeKv(cross, layer, key, key + width, 2 * width, slots);
    }
}

void Decoder::forward(DecoderBatch const& batch, compute::KvStore& self, compute::KvStore const& cross) {
    mRunner.embed(mWeights.embedding, batch.tokens, batch.selfRows, batch.adapters);
    for (SizeType32 i = 0; i < mConfig.numLayers; ++i) {
        auto const& layer = mWeights.layers[static_cast<std::size_t>(i)];
        mRunner.beginLayer(i);
        mRunner.selfAttention(
            layer.selfAttention, mWeights.positionBias.get(), self, i, batch.selfSlots, batch.selfRows);
        mRunner.crossAttention(layer.crossAttention, cross, i, batch.crossRows);
        mRunner.mlp(layer.mlp);
    }
    mOutput = mRunner.finalNorm(mWeights.finalNorm);
}

float* Decoder::logits(std::span<SizeType32 const> rows) {
    mBackend.gatherRows(mOutput, rows, mConfig.hiddenSize, mLogitHidden->data());
    mBackend.matmul(*mWeights.lmHead, mLogitHidden->data(), std::ssize(rows), mLogits->data());
    return mLogits->data();
}

} // namespace embedded
