/// Names of tensors: those of an undivided checkpoint of today's generation, and those that a rank file has.
#pragma once

#include "model/modelConfig.h"

#include <optional>
#include <string>

namespace embedded {

/// Where a tensor of a layer lies: its pipeline stage and its name there.
struct LayerTensor {
    SizeType32 stage;
    std::string name;
};

/// Each pipeline stage has numLayers / pipelineParallelism layers and numbers them from 0.
/// @returns nothing for a name without a layer: every stage may hold such a tensor
[[nodiscard]] std::optional<LayerTensor> locateLayer(std::string const& name, ModelConfig const& config);

/// The name that TensorRT-LLM's converter used up to 0.14: `embedding.…`, `encoder_layers.…`, `final_layernorm.…`.
[[nodiscard]] std::string oldName(std::string const& name, Component component);

} // namespace embedded
