/// The decoder: packed rows of any mix of prompts and single tokens in, logits of chosen rows out.
#pragma once

#include "model/layers.h"
#include "model/weights.h"

#include <memory>
#include <span>
#include <vector>

namespace embedded {

/// The rows of one decoder step; row r is one token of one sequence. Kept between steps to reuse its memory.
struct DecoderBatch {
    std::vector<compute::TokenIdType> tokens;     ///< [rows]
    std::vector<compute::KvSlot> selfSlots;       ///< [rows] where the token's key and value go
    std::vector<compute::AttentionRow> selfRows;  ///< [rows] sees itself and the tokens before it
    std::vector<compute::AttentionRow> crossRows; ///< [rows] sees the whole encoder input
    std::vector<AdapterRows> adapters;

    void clear();
};

class Decoder {
public:
    /// @param maxTokens largest number of rows of one step
    /// @param maxLogitRows largest number of rows of one logits() call
    /// @param maxEncoderTokens largest number of encoder rows of one writeCross() call
    Decoder(ModelConfig const& config, DecoderWeights weights, SizeType32 maxTokens, SizeType32 maxLogitRows,
        SizeType32 maxEncoderTokens, compute::Backend& backend);

    /// Projects encoder output rows [slots.size(), E] to the keys and values of every cross-attention layer.
    /// @param adapters of the encoder rows
    void writeCross(float const* encoderOutput, std::span<compute::KvSlot const> slots,
        std::span<AdapterRows const> adapters, compute::KvStore& cross);

    /// Runs the stack; its output stays for logits() until the next call.
    void forward(DecoderBatch const& batch, compute::KvStore& self, compute::KvStore const& cross);

    /// @param rows of the batch that forward() ran
    /// @returns logits of the token after each [rows.size(), V], valid until the next call
    [[nodiscard]] float* logits(std::span<SizeType32 const> rows);

private:
    ModelConfig const& mConfig;
    DecoderWeights mWeights;
    compute::Backend& mBackend;
    LayerRunner mRunner;
    AdapterPass mCrossAdapters;
    VectorPtr mCrossKeyValue;       ///< [maxEncoderTokens, 2A]
    float const* mOutput = nullptr; ///< [rows, H] of the last forward()
    VectorPtr mLogitHidden;         ///< [maxLogitRows, H]
    VectorPtr mLogits;              ///< [maxLogitRows, V]
};

} // namespace embedded
