#include "model/encoder.h"

#include <numeric>

namespace embedded {

namespace {

constexpr SizeType32 kTOKENS_PER_BLOCK = 32;

/// Every sequence begins a block, so each may leave one partly empty.
SizeType32 scratchBlocks(SizeType32 maxTokens, SizeType32 maxBatchSize) {
    return maxTokens / kTOKENS_PER_BLOCK + maxBatchSize;
}

} // namespace

Encoder::Encoder(ModelConfig const& config, EncoderWeights weights, SizeType32 firstAdapterLayer, SizeType32 maxTokens,
    SizeType32 maxBatchSize, compute::Backend& backend)
    : mConfig(config)
    , mWeights(std::move(weights))
    , mFirstAdapterLayer(firstAdapterLayer)
    , mRunner(config, maxTokens, backend)
    , mKeyValues(backend.allocateKv(
          {1, config.numHeads, config.headSize, scratchBlocks(maxTokens, maxBatchSize), kTOKENS_PER_BLOCK}))
    , mBlockIds(static_cast<std::size_t>(mKeyValues->shape().numBlocks)) {
    std::iota(mBlockIds.begin(), mBlockIds.end(), 0);
}

void Encoder::pack(std::span<std::span<compute::TokenIdType const> const> sequences) {
    mTokens.clear();
    mSlots.clear();
    mRows.clear();
    SizeType32 block = 0;
    for (auto const& sequence : sequences) {
        mTokens.insert(mTokens.end(), sequence.begin(), sequence.end());
        auto const length = static_cast<SizeType32>(sequence.size());
        for (SizeType32 position = 0; position < length; ++position) {
            mSlots.push_back({block + position / kTOKENS_PER_BLOCK, position % kTOKENS_PER_BLOCK});
            mRows.push_back({mBlockIds.data() + block, length, position});
        }
        block += (length + kTOKENS_PER_BLOCK - 1) / kTOKENS_PER_BLOCK;
    }
}

float const* Encoder::forward(
    std::span<std::span<compute::TokenIdType const> const> sequences, std::span<AdapterRows const> adapters) {
    pack(sequences);
    mRunner.embed(mWeights.embedding, mTokens, mRows, adapters);
    for (SizeType32 i = 0; i < mConfig.numLayers; ++i) {
        auto const& layer = mWeights.layers[static_cast<std::size_t>(i)];
        mRunner.beginLayer(mFirstAdapterLayer + i);
        mRunner.selfAttention(layer.attention, mWeights.positionBias.get(), *mKeyValues, 0, mSlots, mRows);
        mRunner.mlp(layer.mlp);
    }
    return mRunner.finalNorm(mWeights.finalNorm);
}

} // namespace embedded
