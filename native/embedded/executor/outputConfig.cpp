#include "tensorrt_llm/executor/outputConfig.h"

#include <utility>

namespace tensorrt_llm::executor {

AdditionalModelOutput::AdditionalModelOutput(std::string outputName, bool withContext)
    : name(std::move(outputName))
    , gatherContext(withContext) {}

bool AdditionalModelOutput::operator==(AdditionalModelOutput const& other) const = default;

OutputConfig::OutputConfig(bool logProbs, bool contextLogits, bool generationLogits, bool excludeInput,
    bool encoderOutput, bool perfMetrics, std::optional<std::vector<AdditionalModelOutput>> modelOutputs)
    : returnLogProbs(logProbs)
    , returnContextLogits(contextLogits)
    , returnGenerationLogits(generationLogits)
    , excludeInputFromOutput(excludeInput)
    , returnEncoderOutput(encoderOutput)
    , returnPerfMetrics(perfMetrics)
    , additionalModelOutputs(std::move(modelOutputs)) {}

} // namespace tensorrt_llm::executor
