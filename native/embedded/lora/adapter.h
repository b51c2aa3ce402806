/// One LoRA adapter, prepared for a model.
#pragma once

#include "compute/backend.h"
#include "lora/modules.h"

#include "tensorrt_llm/executor/executor.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace embedded {

/// What an adapter must fit.
struct LoraTarget {
    ModelConfig const& encoder;
    ModelConfig const& decoder;
    SizeType32 maxRank;
    compute::WeightType weightType; ///< kFP32 or kBF16
};

/// The two tensors of a LoraConfig, one row for each module of a layer.
struct LoraRows {
    tensorrt_llm::executor::Tensor weights; ///< [rows, width] FP32, FP16 or BF16: down, up, zeros
    tensorrt_llm::executor::Tensor config;  ///< INT32 [rows, 3 or 4]: module id, layer index, rank, DoRA flag
};

/// Immutable. Its values are multiplied in FP32. Layers count through the
/// decoder and then through the encoder: encoder layer i is layer numDecoderLayers + i.
class Adapter {
public:
    /// Factors of a low-rank update, for the features from `outputOffset` on.
    struct Update {
        compute::Matrix const* down;
        compute::Matrix const* up;
        SizeType32 outputOffset;
    };

    /// @param version differs between all adapters of a process
    /// @throws TllmException [ERR_LORA_INVALID] naming row, module and limit; [ERR_UNSUPPORTED] for DoRA
    Adapter(LoraRows const& rows, LoraTarget const& target, std::uint64_t version, compute::Backend& backend);

    [[nodiscard]] std::uint64_t version() const { return mVersion; }

    [[nodiscard]] std::span<Update const> updates(SizeType32 layer, LoraSite site) const {
        return mUpdates[static_cast<std::size_t>(layer) * kNUM_LORA_SITES + static_cast<std::size_t>(site)];
    }

    /// Bytes that an adapter with these rows takes; of its values, without what aligns them.
    [[nodiscard]] static std::size_t bytesOf(LoraRows const& rows, compute::WeightType type);

private:
    std::uint64_t mVersion;
    std::vector<std::unique_ptr<compute::Matrix>> mMatrices;
    std::vector<std::vector<Update>> mUpdates; ///< [layer][site]
};

} // namespace embedded
