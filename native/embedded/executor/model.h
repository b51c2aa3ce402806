/// What NVIDIA's headers call Model and keep to themselves: one component of a checkpoint, opened but not yet prepared.
#pragma once

#include "compute/backend.h"
#include "model/checkpoint.h"
#include "model/modelConfig.h"

#include <filesystem>
#include <string>

namespace embedded {

/// Options of this runtime that NVIDIA's API has no field for.
struct EmbeddedOptions {
    SizeType32 threads = 0;              ///< 0: as many as the machine gives this process
    std::string weights = "auto";        ///< "auto": BF16 for BF16 checkpoints, else FP32; or a type: "float32" …
    SizeType32 tokensPerBlock = 32;      ///< of both caches: 16, 32, 64 or 128
    SizeType32 encoderTokenBudget = 256; ///< encoder tokens of one iteration, >= 1; a longer input runs alone
    bool reuseEncoder = true;            ///< equal inputs share one encoder pass
};

} // namespace embedded

namespace tensorrt_llm::executor {

class Model {
public:
    /// Opens `folder`/config.json and the rank files that it counts.
    /// @throws std::exception with "[ERR_MODEL_NOT_FOUND]", "[ERR_MODEL_INVALID]" or "[ERR_UNSUPPORTED]", naming the
    /// file and field; "[ERR_INVALID_ARGUMENT]" for an option out of range
    Model(std::filesystem::path const& folder, embedded::Component component, embedded::EmbeddedOptions options);

    /// The same from memory that outlives the object: the content of rank0.safetensors and of config.json.
    Model(BufferView const& weights, std::string const& config, embedded::Component component,
        embedded::EmbeddedOptions options);

    [[nodiscard]] embedded::ModelConfig const& config() const { return mConfig; }
    [[nodiscard]] embedded::Checkpoint const& checkpoint() const { return mCheckpoint; }
    [[nodiscard]] embedded::EmbeddedOptions const& options() const { return mOptions; }
    [[nodiscard]] embedded::compute::WeightType weightType() const { return mWeightType; }

private:
    embedded::EmbeddedOptions mOptions;
    embedded::ModelConfig mConfig;
    embedded::compute::WeightType mWeightType;
    embedded::Checkpoint mCheckpoint;
};

} // namespace tensorrt_llm::executor
