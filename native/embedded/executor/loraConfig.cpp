#include "executor/checks.h"
#include "executor/dataType.h"
#include "tensorrt_llm/executor/request.h"

#include <utility>

namespace tensorrt_llm::executor {

namespace {

void checkConfig(Tensor const& config) {
    checks::checkEqual("rank of the LoRA config", config.getShape().size(), 2);
    if (config.getDataType() != DataType::kINT32) {
        checks::reject("element type of the LoRA config", "INT32", infoOf(config.getDataType()).name);
    }
}

void checkWeights(Tensor const& weights, std::optional<Tensor> const& config) {
    if (!config) {
        checks::reject("LoRA config", "given together with the weights", "none");
    }
    checks::checkEqual("rank of the LoRA weights", weights.getShape().size(), 2);
    checks::checkEqual("rows of the LoRA weights", weights.getShape()[0], config->getShape()[0]);
}

} // namespace

LoraConfig::LoraConfig(IdType taskId, std::optional<Tensor> weights, std::optional<Tensor> config)
    : mTaskId(taskId)
    , mWeights(std::move(weights))
    , mConfig(std::move(config)) {
    if (mConfig) {
        checkConfig(*mConfig);
    }
    if (mWeights) {
        checkWeights(*mWeights, mConfig);
    }
}

} // namespace tensorrt_llm::executor
