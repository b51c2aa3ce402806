#include "lora/adapter.h"

#include "executor/dataType.h"

#include "tensorrt_llm/common/tllmException.h"

#include <algorithm>
#include <string>

namespace embedded {

namespace {

using compute::HostMatrix;
using tensorrt_llm::common::TllmException;
using tensorrt_llm::executor::DataType;
using tensorrt_llm::executor::infoOf;
using tensorrt_llm::executor::Tensor;

/// One row of the configuration tensor.
struct RowConfig {
    SizeType32 module;
    SizeType32 layer;
    SizeType32 rank;
    bool isDora;
};

[[noreturn]] void reject(std::int64_t row, std::string const& problem) {
    throw TllmException("[ERR_LORA_INVALID] row " + std::to_string(row) + " of loraConfig.config: " + problem);
}

std::int64_t numRows(LoraRows const& rows) {
    return rows.config.getShape()[0];
}

RowConfig readRow(Tensor const& config, std::int64_t row) {
    auto const cols = config.getShape()[1];
    auto const* const values = static_cast<std::int32_t const*>(config.getData()) + row * cols;
    return {values[0], values[1], values[2], cols > 3 && values[3] != 0};
}

void checkTensors(LoraRows const& rows) {
    auto const cols = rows.config.getShape()[1];
    if (cols != 3 && cols != 4) {
        throw TllmException(
            "[ERR_LORA_INVALID] loraConfig.config must have 3 or 4 columns, got " + std::to_string(cols));
    }
    auto const dtype = rows.weights.getDataType();
    if (dtype != DataType::kFP32 && dtype != DataType::kFP16 && dtype != DataType::kBF16) {
        throw TllmException(
            std::string("[ERR_LORA_INVALID] loraConfig.weights must be FP32, FP16 or BF16, got ") + infoOf(dtype).name);
    }
}

ModelConfig const& componentOf(std::int64_t row, SizeType32 layer, LoraTarget const& target) {
    auto const numLayers = target.decoder.numLayers + target.encoder.numLayers;
    if (layer < 0 || layer >= numLayers) {
        reject(row, "layer index must be in [0, " + std::to_string(numLayers - 1) + "], got " + std::to_string(layer));
    }
    return layer < target.decoder.numLayers ? target.decoder : target.encoder;
}

LoraModule moduleOf(std::int64_t row, RowConfig const& config, LoraTarget const& target) {
    auto const& component = componentOf(row, config.layer, target);
    auto const module = findLoraModule(config.module, component);
    if (!module) {
        auto const* const name = component.component == Component::kENCODER ? "encoder" : "decoder";
        reject(row, "module " + std::to_string(config.module) + " does not exist in the " + name + " of this model");
    }
    if (config.rank < 1 || config.rank > target.maxRank) {
        reject(row,
            std::string("rank of ") + module->name + " must be in [1, " + std::to_string(target.maxRank) + "], got "
                + std::to_string(config.rank));
    }
    if (config.isDora) {
        throw TllmException(std::string("[ERR_UNSUPPORTED] DoRA is not supported by the embedded runtime: ")
            + module->name + " of layer " + std::to_string(config.layer));
    }
    return *module;
}

} // namespace

Adapter::Adapter(LoraRows const& rows, LoraTarget const& target, std::uint64_t version, compute::Backend& backend)
    : mVersion(version)
    , mUpdates(static_cast<std::size_t>(target.decoder.numLayers + target.encoder.numLayers) * kNUM_LORA_SITES) {
    checkTensors(rows);
    auto const width = rows.weights.getShape()[1];
    auto const dtype = rows.weights.getDataType();
    auto const prepare = [&](std::int64_t first, std::int64_t numOutputs, std::int64_t numInputs) {
        auto const* const data =
            static_cast<std::byte const*>(rows.weights.getData()) + first * compute::bytesPerValue(dtype);
        return mMatrices
            .emplace_back(backend.prepareMatrix({data, dtype, numOutputs, numInputs}, target.weightType, nullptr))
            .get();
    };
    for (std::int64_t row = 0; row < numRows(rows); ++row) {
        auto const config = readRow(rows.config, row);
        auto const module = moduleOf(row, config, target);
        auto const needed = std::int64_t{config.rank} * (module.inputs + module.outputs);
        if (needed > width) {
            reject(row,
                std::string(module.name) + " of rank " + std::to_string(config.rank) + " needs "
                    + std::to_string(needed) + " values, loraConfig.weights has " + std::to_string(width)
                    + " in a row");
        }
        auto const first = row * width;
        auto const* const down = prepare(first, config.rank, module.inputs);
        for (auto const& slice : module.slices) {
            auto& updates = mUpdates[static_cast<std::size_t>(config.layer) * kNUM_LORA_SITES
                + static_cast<std::size_t>(slice.site)];
            auto const overlaps = [&](Update const& other) {
                return other.outputOffset < slice.outputOffset + slice.numRows
                    && slice.outputOffset < other.outputOffset + other.up->rows();
            };
            if (std::ranges::any_of(updates, overlaps)) {
                reject(row,
                    std::string(module.name) + " of layer " + std::to_string(config.layer)
                        + " is there already, by itself or as a part of another module");
            }
            auto const firstUp = first + std::int64_t{config.rank} * (module.inputs + slice.firstRow);
            updates.push_back({down, prepare(firstUp, slice.numRows, config.rank), slice.outputOffset});
        }
    }
}

std::size_t Adapter::bytesOf(LoraRows const& rows, compute::WeightType type) {
    return rows.weights.getSize() * compute::bytesPerWeight(type);
}

} // namespace embedded
