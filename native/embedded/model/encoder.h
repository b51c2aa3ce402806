/// The encoder: packed token ids in, hidden states out.
#pragma once

#include "model/layers.h"
#include "model/weights.h"

#include <memory>
#include <span>
#include <vector>

namespace embedded {

class Encoder {
public:
    /// @param firstAdapterLayer of this encoder, as Adapter counts
    /// @param maxTokens largest sum of the lengths of one batch
    /// @param maxBatchSize largest number of sequences of one batch
    Encoder(ModelConfig const& config, EncoderWeights weights, SizeType32 firstAdapterLayer, SizeType32 maxTokens,
        SizeType32 maxBatchSize, compute::Backend& backend);

    /// Runs the sequences as one packed batch.
    /// @param adapters of the packed rows
    /// @returns [sum of lengths, H], sequence after sequence; valid until the next call
    [[nodiscard]] float const* forward(
        std::span<std::span<compute::TokenIdType const> const> sequences, std::span<AdapterRows const> adapters);

private:
    void pack(std::span<std::span<compute::TokenIdType const> const> sequences);

    ModelConfig const& mConfig;
    EncoderWeights mWeights;
    SizeType32 mFirstAdapterLayer;
    LayerRunner mRunner;
    /// Keys and values of the batch, one layer at a time: the same blocks serve every layer.
    std::unique_ptr<compute::KvStore> mKeyValues;
    std::vector<SizeType32> mBlockIds; ///< 0, 1, 2, …
    std::vector<compute::TokenIdType> mTokens;
    std::vector<compute::KvSlot> mSlots;
    std::vector<compute::AttentionRow> mRows;
};

} // namespace embedded
