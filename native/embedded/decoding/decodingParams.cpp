#include "decoding/decodingParams.h"

#include <algorithm>

namespace embedded {

namespace {

constexpr SizeType32 kMAX_TOP_K = 1024;

template <typename Field, typename Value> void setIfGiven(Field& field, std::optional<Value> const& value) {
    if (value) {
        field = *value;
    }
}

void readSampling(texec::SamplingConfig const& config, DecodingParams& params) {
    setIfGiven(params.temperature, config.getTemperature());
    setIfGiven(params.topK, config.getTopK());
    setIfGiven(params.topP, config.getTopP());
    setIfGiven(params.topPMin, config.getTopPMin());
    setIfGiven(params.topPDecay, config.getTopPDecay());
    setIfGiven(params.topPResetIds, config.getTopPResetIds());
    setIfGiven(params.minP, config.getMinP());
    setIfGiven(params.seed, config.getSeed());
    params.topK = std::min(params.topK, kMAX_TOP_K);
    if (params.temperature == 0.0F) {
        params.temperature = 1.0F;
        params.topK = 1;
        params.topP = 0.0F;
    }
}

void readPenalties(texec::SamplingConfig const& config, DecodingParams& params) {
    setIfGiven(params.repetitionPenalty, config.getRepetitionPenalty());
    setIfGiven(params.presencePenalty, config.getPresencePenalty());
    setIfGiven(params.frequencyPenalty, config.getFrequencyPenalty());
    setIfGiven(params.promptIgnoreLength, config.getPromptIgnoreLength());
    setIfGiven(params.minTokens, config.getMinTokens());
    setIfGiven(params.noRepeatNgramSize, config.getNoRepeatNgramSize());
}

void readBeams(texec::SamplingConfig const& config, DecodingParams& params) {
    params.beamWidth = config.getBeamWidth();
    params.numReturnSequences =
        params.beamWidth > 1 ? config.getNumReturnBeams() : config.getNumReturnSequences().value_or(1);
    setIfGiven(params.beamSearchDiversityRate, config.getBeamSearchDiversityRate());
    setIfGiven(params.lengthPenalty, config.getLengthPenalty());
    setIfGiven(params.earlyStopping, config.getEarlyStopping());
}

std::vector<texec::VecTokens> toVector(std::optional<std::list<texec::VecTokens>> const& words) {
    return words ? std::vector(words->begin(), words->end()) : std::vector<texec::VecTokens>();
}

std::vector<float> valuesOf(std::optional<texec::Tensor> const& tensor) {
    if (!tensor) {
        return {};
    }
    auto const* first = static_cast<float const*>(tensor->getData());
    return {first, first + tensor->getSize()};
}

} // namespace

DecodingParams decodingParams(texec::Request const& request, SizeType32 maxNewTokens) {
    DecodingParams params;
    params.promptLength = static_cast<SizeType32>(request.getInputTokenIds().size());
    params.maxNewTokens = maxNewTokens;
    params.endId = request.getEndId().value_or(-1);
    params.embeddingBias = valuesOf(request.getEmbeddingBias());
    params.badWords = toVector(request.getBadWords());
    params.stopWords = toVector(request.getStopWords());
    auto const config = request.getSamplingConfig();
    readSampling(config, params);
    readPenalties(config, params);
    readBeams(config, params);
    return params;
}

} // namespace embedded
