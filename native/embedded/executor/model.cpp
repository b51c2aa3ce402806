#include "executor/model.h"

#include "tensorrt_llm/common/tllmException.h"

#include <span>

namespace tensorrt_llm::executor {

namespace {

using common::TllmException;
using embedded::compute::WeightType;

/// For errors of what has no path.
std::string nameOf(embedded::Component component) {
    return component == embedded::Component::kENCODER ? "encoder" : "decoder";
}

std::filesystem::path const& existing(std::filesystem::path const& folder) {
    if (!std::filesystem::is_directory(folder)) {
        throw TllmException("[ERR_MODEL_NOT_FOUND] " + folder.string() + " is not a folder");
    }
    return folder;
}

WeightType chooseWeightType(std::string const& weights, DataType checkpoint) {
    if (weights == "auto") {
        return checkpoint == DataType::kBF16 ? WeightType::kBF16 : WeightType::kFP32;
    }
    if (weights == "float32") {
        return WeightType::kFP32;
    }
    if (weights == "bfloat16") {
        return WeightType::kBF16;
    }
    if (weights == "int8") {
        return WeightType::kINT8;
    }
    throw TllmException("[ERR_INVALID_ARGUMENT] weights must be auto, float32, bfloat16 or int8, got " + weights);
}

TllmException invalid(std::string const& name, std::string const& rule, SizeType32 value) {
    return TllmException("[ERR_INVALID_ARGUMENT] " + name + " must be " + rule + ", got " + std::to_string(value));
}

embedded::EmbeddedOptions checked(embedded::EmbeddedOptions options) {
    constexpr SizeType32 kMAX_THREADS = 1024;
    if (options.threads < 0 || options.threads > kMAX_THREADS) {
        throw invalid("threads", "in [0, " + std::to_string(kMAX_THREADS) + "]", options.threads);
    }
    auto const perBlock = options.tokensPerBlock;
    if (perBlock != 16 && perBlock != 32 && perBlock != 64 && perBlock != 128) {
        throw invalid("tokensPerBlock", "16, 32, 64 or 128", perBlock);
    }
    if (options.encoderTokenBudget < 1) {
        throw invalid("encoderTokenBudget", ">= 1", options.encoderTokenBudget);
    }
    return options;
}

} // namespace

Model::Model(std::filesystem::path const& folder, embedded::Component component, embedded::EmbeddedOptions options)
    : mOptions(checked(std::move(options)))
    , mConfig(embedded::readModelConfig(existing(folder) / "config.json", component))
    , mWeightType(chooseWeightType(mOptions.weights, mConfig.dtype))
    , mCheckpoint(folder, mConfig) {}

Model::Model(BufferView const& weights, std::string const& config, embedded::Component component,
    embedded::EmbeddedOptions options)
    : mOptions(checked(std::move(options)))
    , mConfig(embedded::parseModelConfig(nameOf(component) + " configuration", config, component))
    , mWeightType(chooseWeightType(mOptions.weights, mConfig.dtype))
    , mCheckpoint(embedded::SafetensorsFile(
                      nameOf(component) + " engine buffer", std::as_bytes(std::span(weights.data(), weights.size()))),
          mConfig) {}

} // namespace tensorrt_llm::executor
