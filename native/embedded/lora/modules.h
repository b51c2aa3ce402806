/// The modules of a layer that an adapter may change, by TensorRT-LLM's ids.
#pragma once

#include "model/modelConfig.h"

#include <optional>
#include <string>
#include <vector>

namespace embedded {

/// The matrix products of a layer; those of fused weights are one product.
enum class LoraSite {
    kSELF_QKV,
    kSELF_DENSE,
    kCROSS_QUERY,
    kCROSS_KEY_VALUE, ///< on encoder rows
    kCROSS_DENSE,
    kFC,
    kGATE,
    kPROJ,
};
inline constexpr std::size_t kNUM_LORA_SITES = 8;

/// Ids that findLoraModule() may know are smaller.
inline constexpr SizeType32 kNUM_LORA_MODULES = 13;

/// One update for the stacked query, key and value weights.
constexpr bool isFusedLoraModule(SizeType32 id) {
    return id == 0 || id == 8;
}

/// Rows of a module's `up` that belong to one product.
struct LoraSlice {
    LoraSite site;
    SizeType32 firstRow;     ///< of `up`
    SizeType32 numRows;      ///< of `up`
    SizeType32 outputOffset; ///< of the product's features
};

/// What an adapter brings for one module: W + up · down, down [rank, inputs], up [outputs, rank].
struct LoraModule {
    char const* name;
    SizeType32 inputs;
    SizeType32 outputs;
    std::vector<LoraSlice> slices;
};

/// The module with this id in a component's layers, with the dimensions of TensorRT-LLM's table but for the output
/// projections of attention, whose input is numHeads * headSize wide; nothing if the layers have no such module.
[[nodiscard]] std::optional<LoraModule> findLoraModule(SizeType32 id, ModelConfig const& config);

} // namespace embedded
