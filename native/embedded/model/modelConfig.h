/// One component (encoder or decoder) of a TensorRT-LLM checkpoint, as its config.json describes it.
#pragma once

#include "compute/backend.h"

#include "tensorrt_llm/executor/types.h"

#include <cstdint>
#include <filesystem>

namespace embedded {

using tensorrt_llm::executor::SizeType32;

enum class Component { kENCODER, kDECODER };

/// kRMS divides by the root mean square; kLAYER subtracts the mean, divides by the deviation and adds a bias.
enum class Normalization { kRMS, kLAYER };

/// Of the linear weights inside the layers; those that are stored as floating point are not quantised.
enum class Quantization { kNONE, kFP8, kINT8_WEIGHT_ONLY };

/// Sizes are counts of elements. Attention width = numHeads * headSize, which may differ from hiddenSize.
struct ModelConfig {
    Component component;
    tensorrt_llm::executor::DataType dtype; ///< of the checkpoint's floating-point tensors
    Quantization quantization;
    SizeType32 tensorParallelism;   ///< rank files that divide each layer between them
    SizeType32 pipelineParallelism; ///< groups of rank files that divide the layers between them

    SizeType32 numLayers;
    SizeType32 numHeads;
    SizeType32 headSize;
    SizeType32 hiddenSize;
    SizeType32 ffnSize;
    SizeType32 vocabSize;

    float embeddingScale; ///< factor on the token embedding
    SizeType32
        maxPositions; ///< rows of the position table (learned or sinusoidal) and so the longest sequence; 0: none
    bool hasEmbeddingNorm;

    Normalization normalization;
    float normEpsilon;
    bool normalizesAfter; ///< x = norm(x + f(x)), else x += f(norm(x))
    bool hasFinalNorm;

    bool hasAttentionBias;
    float attentionScale;      ///< 1 / (q_scaling * sqrt(head_size)), the factor on query · key
    SizeType32 numBuckets;     ///< of the relative position bias; 0: none
    SizeType32 maxDistance;    ///< distance from which all positions share the last bucket
    bool implicitRelativeBias; ///< decoder: no top-level rel_attn_table, the layers carry it

    compute::Activation activation;
    bool gatedActivation; ///< mlp = proj(activation(fc x) * gate x), else proj(activation(fc x))
    bool hasMlpBias;

    float headScale;  ///< factor on the final hidden state before the language-model head
    bool hasHeadBias; ///< the head adds a bias to the logits

    SizeType32 encoderHiddenSize; ///< decoder: width of the encoder output; encoder: hiddenSize

    [[nodiscard]] SizeType32 attentionSize() const { return numHeads * headSize; }
};

/// Stands for the encoder where a decoder is loaded alone: of the decoder's width, without layers and tokens.
[[nodiscard]] ModelConfig absentEncoder(ModelConfig const& decoder);

/// Reads and validates a component's config.json. Absent fields have the defaults of TensorRT-LLM's loader.
/// @throws ModelError naming file, field, value and limit
/// @throws UnsupportedModelError for models that this runtime does not run
[[nodiscard]] ModelConfig readModelConfig(std::filesystem::path const& file, Component component);

/// The same from the file's text.
/// @param name for errors
[[nodiscard]] ModelConfig parseModelConfig(
    std::filesystem::path const& name, std::string const& text, Component component);

} // namespace embedded
