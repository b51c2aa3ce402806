/// What the tests of decoding share: goldens of scripts/make-decoding-goldens.py.
#pragma once

#include "decoding/decodingParams.h"
#include "testing/testData.h"

#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

namespace embedded {

inline constexpr float kMINUS_INFINITY = -std::numeric_limits<float>::infinity();

inline nlohmann::json decodingGolden(std::string const& name) {
    std::ifstream file(testing::goldens().parent_path() / "goldens-decoding" / name);
    return nlohmann::json::parse(file);
}

/// Null stands for minus infinity.
inline std::vector<float> floatsOf(nlohmann::json const& values) {
    std::vector<float> floats;
    for (auto const& value : values) {
        floats.push_back(value.is_null() ? kMINUS_INFINITY : value.get<float>());
    }
    return floats;
}

/// Fields that are not there keep their defaults.
inline DecodingParams paramsOf(nlohmann::json const& json, std::size_t promptLength) {
    DecodingParams params;
    params.promptLength = static_cast<SizeType32>(promptLength);
    std::size_t numRead = 0;
    auto const read = [&](char const* name, auto& field) {
        if (json.contains(name)) {
            json.at(name).get_to(field);
            ++numRead;
        }
    };
    read("beamWidth", params.beamWidth);
    read("numReturnSequences", params.numReturnSequences);
    read("maxNewTokens", params.maxNewTokens);
    read("endId", params.endId);
    read("temperature", params.temperature);
    read("minP", params.minP);
    read("repetitionPenalty", params.repetitionPenalty);
    read("presencePenalty", params.presencePenalty);
    read("frequencyPenalty", params.frequencyPenalty);
    read("promptIgnoreLength", params.promptIgnoreLength);
    read("minTokens", params.minTokens);
    read("noRepeatNgramSize", params.noRepeatNgramSize);
    read("embeddingBias", params.embeddingBias);
    read("badWords", params.badWords);
    read("stopWords", params.stopWords);
    read("beamSearchDiversityRate", params.beamSearchDiversityRate);
    read("lengthPenalty", params.lengthPenalty);
    read("earlyStopping", params.earlyStopping);
    if (numRead != json.size()) {
        throw std::invalid_argument("a golden has parameters that the tests do not know: " + json.dump());
    }
    return params;
}

} // namespace embedded
