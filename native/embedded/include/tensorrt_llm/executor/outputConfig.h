#pragma once

#include <optional>
#include <string>
#include <vector>

namespace tensorrt_llm::executor {

/// Asks for one more output of the model by its name.
class AdditionalModelOutput {
public:
    explicit AdditionalModelOutput(std::string name, bool gatherContext = false);

    bool operator==(AdditionalModelOutput const& other) const;

    std::string name;
    bool gatherContext{false}; ///< also the rows of the prompt, not only those of generated tokens
};

/// What the results of one request contain besides tokens.
class OutputConfig {
public:
    explicit OutputConfig(bool returnLogProbs = false, bool returnContextLogits = false,
        bool returnGenerationLogits = false, bool excludeInputFromOutput = false, bool returnEncoderOutput = false,
        bool returnPerfMetrics = false,
        std::optional<std::vector<AdditionalModelOutput>> additionalModelOutputs = std::nullopt);

    bool returnLogProbs;         ///< Result::logProbs and cumLogProbs
    bool returnContextLogits;    ///< Result::contextLogits, if the model can; else the request fails
    bool returnGenerationLogits; ///< Result::generationLogits; needs ExecutorConfig::setGatherGenerationLogits(true)
    bool excludeInputFromOutput; ///< leave the decoder prompt out of the tokens; a streaming request always does
    bool returnEncoderOutput;    ///< Result::encoderOutput
    bool returnPerfMetrics;      ///< Result::requestPerfMetrics
    /// Result::additionalOutputs, named "context_<name>" and "generation_<name>".
    std::optional<std::vector<AdditionalModelOutput>> additionalModelOutputs;
};

} // namespace tensorrt_llm::executor
