#include "decoding/decodingParams.h"
#include "executor/checks.h"
#include "executor/dataType.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>

namespace embedded {

namespace {

using texec::SamplingConfig;
using texec::checks::toText;
using Error = std::optional<std::string>;

std::string invalid(std::string const& field, std::string const& rule, std::string const& value) {
    return "[ERR_INVALID_ARGUMENT] " + field + " must be " + rule + ", got " + value;
}

/// An unset value is right; NaN never is.
struct FloatRule {
    char const* field;
    std::optional<float> (SamplingConfig::*get)() const;
    char const* rule;
    bool (*isRight)(float);
};

bool isShare(float value) {
    return value > 0.0F && value <= 1.0F;
}

bool isFinite(float value) {
    return std::isfinite(value);
}

bool isFiniteNotNegative(float value) {
    return std::isfinite(value) && value >= 0.0F;
}

constexpr std::array kFLOAT_RULES{
    FloatRule{"topP", &SamplingConfig::getTopP, "in (0, 1]", isShare},
    FloatRule{"topPMin", &SamplingConfig::getTopPMin, "in (0, 1]", isShare},
    FloatRule{"topPDecay", &SamplingConfig::getTopPDecay, "in (0, 1]", isShare},
    FloatRule{"minP", &SamplingConfig::getMinP, "in [0, 1]", [](float v) { return v >= 0.0F && v <= 1.0F; }},
    FloatRule{"temperature", &SamplingConfig::getTemperature, "finite and >= 0", isFiniteNotNegative},
    FloatRule{
        "beamSearchDiversityRate", &SamplingConfig::getBeamSearchDiversityRate, "finite and >= 0", isFiniteNotNegative},
    FloatRule{"repetitionPenalty", &SamplingConfig::getRepetitionPenalty, "finite and > 0",
        [](float v) { return std::isfinite(v) && v > 0.0F; }},
    FloatRule{"presencePenalty", &SamplingConfig::getPresencePenalty, "finite", isFinite},
    FloatRule{"frequencyPenalty", &SamplingConfig::getFrequencyPenalty, "finite", isFinite},
    FloatRule{"lengthPenalty", &SamplingConfig::getLengthPenalty, "finite and >= 0", isFiniteNotNegative},
};

Error checkFloats(SamplingConfig const& config) {
    for (auto const& [field, get, rule, isRight] : kFLOAT_RULES) {
        auto const value = (config.*get)();
        if (value && !isRight(*value)) {
            return invalid(std::string("samplingConfig.") + field, rule, toText(*value));
        }
    }
    return std::nullopt;
}

constexpr SizeType32 kNO_LIMIT = std::numeric_limits<SizeType32>::max();

Error checkInteger(char const* field, std::optional<SizeType32> value, SizeType32 least, SizeType32 most = kNO_LIMIT) {
    if (!value || (*value >= least && *value <= most)) {
        return std::nullopt;
    }
    auto const rule = most < kNO_LIMIT ? "in [" + toText(least) + ", " + toText(most) + "]" : ">= " + toText(least);
    return invalid(std::string("samplingConfig.") + field, rule, toText(*value));
}

Error checkIntegers(SamplingConfig const& config, SizeType32 maxBeamWidth, SizeType32 vocabSize) {
    SizeType32 const beamWidth = config.getBeamWidth();
    for (auto const& error : {
             checkInteger("beamWidth", beamWidth, 1, maxBeamWidth),
             checkInteger("topK", config.getTopK(), 0),
             checkInteger("topPResetIds", config.getTopPResetIds(), 0, vocabSize - 1),
             checkInteger("promptIgnoreLength", config.getPromptIgnoreLength(), 0),
             checkInteger("minTokens", config.getMinTokens(), 0),
             checkInteger("noRepeatNgramSize", config.getNoRepeatNgramSize(), 1),
             checkInteger("earlyStopping", config.getEarlyStopping(), 0),
             checkInteger(
                 "numReturnSequences", config.getNumReturnSequences(), 1, beamWidth > 1 ? beamWidth : kNO_LIMIT),
         }) {
        if (error) {
            return error;
        }
    }
    return std::nullopt;
}

Error checkWord(std::string const& field, texec::VecTokens const& word, SizeType32 vocabSize) {
    if (word.empty()) {
        return invalid("length of " + field, "at least 1", "0");
    }
    auto const wrong = std::ranges::find_if(word, [&](auto id) { return id < 0 || id >= vocabSize; });
    if (wrong == word.end()) {
        return std::nullopt;
    }
    return invalid(
        field + "[" + toText(wrong - word.begin()) + "]", "in [0, " + toText(vocabSize - 1) + "]", toText(*wrong));
}

Error checkWords(
    std::string const& field, std::optional<std::list<texec::VecTokens>> const& words, SizeType32 vocabSize) {
    std::size_t index = 0;
    for (auto const& word : words.value_or(std::list<texec::VecTokens>())) {
        if (auto error = checkWord(field + "[" + toText(index++) + "]", word, vocabSize)) {
            return error;
        }
    }
    return std::nullopt;
}

Error checkBias(std::optional<texec::Tensor> const& bias, SizeType32 vocabSize) {
    if (!bias) {
        return std::nullopt;
    }
    if (bias->getMemoryType() == texec::MemoryType::kGPU || bias->getMemoryType() == texec::MemoryType::kUNKNOWN) {
        return "[ERR_INVALID_ARGUMENT] embeddingBias must be in host memory";
    }
    if (bias->getDataType() != texec::DataType::kFP32) {
        return invalid("data type of embeddingBias", "FP32", infoOf(bias->getDataType()).name);
    }
    if (bias->getSize() != static_cast<std::size_t>(vocabSize)) {
        return invalid("length of embeddingBias", toText(vocabSize), toText(bias->getSize()));
    }
    std::span const values(static_cast<float const*>(bias->getData()), bias->getSize());
    auto const wrong =
        std::ranges::find_if(values, [](float v) { return !(v < std::numeric_limits<float>::infinity()); });
    if (wrong == values.end()) {
        return std::nullopt;
    }
    return invalid(
        "embeddingBias[" + toText(wrong - values.begin()) + "]", "a finite number or minus infinity", toText(*wrong));
}

} // namespace

std::optional<std::string> checkDecoding(texec::Request const& request, SizeType32 maxBeamWidth, SizeType32 vocabSize) {
    auto const config = request.getSamplingConfig();
    if (config.getBeamWidthArray()) {
        return "[ERR_UNSUPPORTED] samplingConfig.beamWidthArray is not supported by the embedded runtime";
    }
    if (auto error = checkIntegers(config, maxBeamWidth, vocabSize)) {
        return error;
    }
    if (auto error = checkFloats(config)) {
        return error;
    }
    if (auto error = checkWords("badWords", request.getBadWords(), vocabSize)) {
        return error;
    }
    if (auto error = checkWords("stopWords", request.getStopWords(), vocabSize)) {
        return error;
    }
    return checkBias(request.getEmbeddingBias(), vocabSize);
}

} // namespace embedded
