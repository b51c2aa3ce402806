/// The weights of an encoder and of a decoder, prepared for a backend.
///
/// Symbols in the shapes: V vocabulary, H hidden, A attention (heads * head size), F feed-forward, E encoder hidden.
#pragma once

#include "compute/backend.h"
#include "model/modelConfig.h"
#include "model/safetensors.h"

#include <memory>
#include <vector>

namespace embedded {

using MatrixPtr = std::unique_ptr<compute::Matrix>;
using VectorPtr = std::unique_ptr<compute::Buffer>;
using PositionBiasPtr = std::unique_ptr<compute::PositionBias>;

struct MlpWeights {
    VectorPtr norm; ///< [H]
    MatrixPtr fc;   ///< [F, H]
    MatrixPtr gate; ///< [F, H], null unless gated
    MatrixPtr proj; ///< [H, F]
};

struct SelfAttentionWeights {
    VectorPtr norm;  ///< [H]
    MatrixPtr qkv;   ///< [3A, H]: query rows, key rows, value rows
    MatrixPtr dense; ///< [H, A]
};

struct CrossAttentionWeights {
    VectorPtr norm;     ///< [H]
    MatrixPtr query;    ///< [A, H]
    MatrixPtr keyValue; ///< [2A, E]: key rows, value rows
    MatrixPtr dense;    ///< [H, A]
};

struct EncoderLayerWeights {
    SelfAttentionWeights attention;
    MlpWeights mlp;
};

struct DecoderLayerWeights {
    SelfAttentionWeights selfAttention;
    CrossAttentionWeights crossAttention;
    MlpWeights mlp;
};

struct EncoderWeights {
    MatrixPtr embedding; ///< table [V, H]
    std::vector<EncoderLayerWeights> layers;
    VectorPtr finalNorm; ///< [H]
    PositionBiasPtr positionBias;
};

struct DecoderWeights {
    MatrixPtr embedding; ///< table [V, H]
    std::vector<DecoderLayerWeights> layers;
    VectorPtr finalNorm; ///< [H], times ModelConfig::headScale
    MatrixPtr lmHead;    ///< [V, H]
    PositionBiasPtr positionBias;
};

/// Where prepared weights come from and how they are stored.
struct WeightSource {
    SafetensorsFile const& file;
    ModelConfig const& config;
    compute::WeightType type;
};

/// Every tensor is checked for presence, shape and type before it is prepared.
/// @param maxLength longest sequence that the position bias must cover
/// @throws ModelError naming file and tensor
[[nodiscard]] EncoderWeights loadEncoderWeights(
    WeightSource const& source, SizeType32 maxLength, compute::Backend& backend);
[[nodiscard]] DecoderWeights loadDecoderWeights(
    WeightSource const& source, SizeType32 maxLength, compute::Backend& backend);

} // namespace embedded
