/// The weights of an encoder and of a decoder, prepared for a backend.
///
/// Symbols in the shapes: V vocabulary, H hidden, A attention (heads * head size), F feed-forward, E encoder hidden, P
/// positions. A matrix brings its bias along where the model has one.
#pragma once

#include "compute/backend.h"
#include "model/checkpoint.h"
#include "model/modelConfig.h"

#include <memory>
#include <vector>

namespace embedded {

using MatrixPtr = std::unique_ptr<compute::Matrix>;
using VectorPtr = std::unique_ptr<compute::Buffer>;
using PositionBiasPtr = std::unique_ptr<compute::PositionBias>;

/// Both null where the model has no such norm.
struct NormWeights {
    VectorPtr weight; ///< [H]
    VectorPtr bias;   ///< [H], null for Normalization::kRMS
};

struct EmbeddingWeights {
    MatrixPtr tokens;    ///< table [V, H]
    MatrixPtr positions; ///< table [P, H], null unless ModelConfig::maxPositions
    NormWeights norm;    ///< optional
};

struct MlpWeights {
    NormWeights norm;
    MatrixPtr fc;   ///< [F, H]
    MatrixPtr gate; ///< [F, H], null unless gated
    MatrixPtr proj; ///< [H, F]
};

struct SelfAttentionWeights {
    NormWeights norm;
    MatrixPtr qkv;   ///< [3A, H]: query rows, key rows, value rows
    MatrixPtr dense; ///< [H, A]
};

struct CrossAttentionWeights {
    NormWeights norm;
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
    EmbeddingWeights embedding;
    std::vector<EncoderLayerWeights> layers;
    NormWeights finalNorm;        ///< optional
    PositionBiasPtr positionBias; ///< null unless ModelConfig::numBuckets
};

struct DecoderWeights {
    EmbeddingWeights embedding;
    std::vector<DecoderLayerWeights> layers;
    NormWeights finalNorm;        ///< optional; times ModelConfig::headScale
    MatrixPtr lmHead;             ///< [V, H]
    PositionBiasPtr positionBias; ///< null unless ModelConfig::numBuckets
};

/// Where prepared weights come from and how they are stored.
struct WeightSource {
    Checkpoint const& checkpoint;
    ModelConfig const& config;
    compute::WeightType type; ///< of matrices; with kINT8 the token table is BF16
};

/// Every tensor is checked for presence, shape and type before it is prepared.
/// @param maxLength longest sequence that the position bias must cover
/// @throws ModelError naming file and tensor
[[nodiscard]] EncoderWeights loadEncoderWeights(
    WeightSource const& source, SizeType32 maxLength, compute::Backend& backend);
[[nodiscard]] DecoderWeights loadDecoderWeights(
    WeightSource const& source, SizeType32 maxLength, compute::Backend& backend);

} // namespace embedded
