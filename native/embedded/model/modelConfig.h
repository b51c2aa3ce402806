/// One component (encoder or decoder) of a TensorRT-LLM checkpoint, as its config.json describes it.
#pragma once

#include "compute/backend.h"

#include "tensorrt_llm/executor/types.h"

#include <cstdint>
#include <filesystem>

namespace embedded {

using tensorrt_llm::executor::SizeType32;

enum class Component { kENCODER, kDECODER };

/// Sizes are counts of elements. Attention width = numHeads * headSize, which may differ from hiddenSize.
struct ModelConfig {
    Component component;
    tensorrt_llm::executor::DataType dtype; ///< of the checkpoint's tensors
    SizeType32 numLayers;
    SizeType32 numHeads;
    SizeType32 headSize;
    SizeType32 hiddenSize;
    SizeType32 ffnSize;
    SizeType32 vocabSize;
    float normEpsilon;
    compute::Activation activation;
    bool gatedActivation;         ///< mlp = proj(activation(fc x) * gate x), else proj(activation(fc x))
    SizeType32 numBuckets;        ///< of the relative position bias
    SizeType32 maxDistance;       ///< distance from which all positions share the last bucket
    float attentionScale;         ///< 1 / (q_scaling * sqrt(head_size)), the factor on query · key
    float headScale;              ///< factor on the final hidden state before the language-model head
    bool implicitRelativeBias;    ///< decoder: no top-level rel_attn_table, the layers carry it
    SizeType32 encoderHiddenSize; ///< decoder: width of the encoder output; encoder: hiddenSize

    [[nodiscard]] SizeType32 attentionSize() const { return numHeads * headSize; }
};

/// Reads and validates a component's config.json; norm_epsilon `false` means 0.
/// @throws ModelError naming file, field, value and limit
/// @throws UnsupportedModelError for models that this runtime does not run
[[nodiscard]] ModelConfig readModelConfig(std::filesystem::path const& file, Component component);

} // namespace embedded
