/// What the setters let through and the model cannot take: each is refused with field, rule and value.
#include "decoding/decodingParams.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace embedded {
namespace {

using texec::Request;
using texec::SamplingConfig;

constexpr SizeType32 kMAX_BEAM_WIDTH = 4;
constexpr SizeType32 kVOCAB_SIZE = 10;
constexpr float kINFINITY = std::numeric_limits<float>::infinity();

std::string errorOf(Request const& request) {
    return checkDecoding(request, kMAX_BEAM_WIDTH, kVOCAB_SIZE).value_or("");
}

Request plainRequest() {
    return Request({0}, 5);
}

std::string invalid(std::string const& text) {
    return "[ERR_INVALID_ARGUMENT] " + text;
}

struct BadConfig {
    char const* message;
    void (*change)(SamplingConfig&);
};

TEST(CheckDecoding, BadSamplingConfigs) {
    BadConfig const cases[] = {
        {"beamWidth must be in [1, 4], got 8", [](auto& c) { c.setBeamWidth(8); }},
        {"topPMin must be in (0, 1], got 0", [](auto& c) { c.setTopPMin(0.0F); }},
        {"topPResetIds must be in [0, 9], got 10", [](auto& c) { c.setTopPResetIds(10); }},
        {"noRepeatNgramSize must be >= 1, got 0", [](auto& c) { c.setNoRepeatNgramSize(0); }},
        {"lengthPenalty must be finite and >= 0, got -1", [](auto& c) { c.setLengthPenalty(-1.0F); }},
        {"lengthPenalty must be finite and >= 0, got inf", [](auto& c) { c.setLengthPenalty(kINFINITY); }},
        {"lengthPenalty must be finite and >= 0, got nan", [](auto& c) { c.setLengthPenalty(std::nanf("")); }},
        {"earlyStopping must be >= 0, got -1", [](auto& c) { c.setEarlyStopping(-1); }},
        {"temperature must be finite and >= 0, got inf", [](auto& c) { c.setTemperature(kINFINITY); }},
        {"repetitionPenalty must be finite and > 0, got inf", [](auto& c) { c.setRepetitionPenalty(kINFINITY); }},
        {"presencePenalty must be finite, got nan", [](auto& c) { c.setPresencePenalty(std::nanf("")); }},
        {"presencePenalty must be finite, got -inf", [](auto& c) { c.setPresencePenalty(-kINFINITY); }},
        {"frequencyPenalty must be finite, got nan", [](auto& c) { c.setFrequencyPenalty(std::nanf("")); }},
        {"beamSearchDiversityRate must be finite and >= 0, got inf",
            [](auto& c) { c.setBeamSearchDiversityRate(kINFINITY); }},
        {"numReturnSequences must be in [1, 2], got 3",
            [](auto& c) {
                c.setBeamWidth(3);
                c.setNumReturnSequences(3);
                c.setBeamWidth(2);
            }},
    };
    for (auto const& [message, change] : cases) {
        SamplingConfig config;
        change(config);
        auto request = plainRequest();
        request.setSamplingConfig(config);
        EXPECT_EQ(errorOf(request), invalid("samplingConfig." + std::string(message)));
    }
}

TEST(CheckDecoding, VariableBeamWidthIsUnsupported) {
    SamplingConfig config;
    config.setBeamWidthArray(std::vector<SizeType32>{2, 3});
    auto request = plainRequest();
    request.setSamplingConfig(config);
    EXPECT_EQ(
        errorOf(request), "[ERR_UNSUPPORTED] samplingConfig.beamWidthArray is not supported by the embedded runtime");
}

TEST(CheckDecoding, BadWordsAndStopWords) {
    auto request = plainRequest();
    request.setBadWords({{1, 2}, {}});
    EXPECT_EQ(errorOf(request), invalid("length of badWords[1] must be at least 1, got 0"));
    request.setBadWords({{1, 10}});
    EXPECT_EQ(errorOf(request), invalid("badWords[0][1] must be in [0, 9], got 10"));
    request.setBadWords({{1, 2}});
    request.setStopWords({{1}, {2, 3}, {-1}});
    EXPECT_EQ(errorOf(request), invalid("stopWords[2][0] must be in [0, 9], got -1"));
    request.setStopWords({{}});
    EXPECT_EQ(errorOf(request), invalid("length of stopWords[0] must be at least 1, got 0"));
}

TEST(CheckDecoding, EmbeddingBias) {
    auto const errorWith = [](texec::Tensor const& bias) {
        auto request = plainRequest();
        request.setEmbeddingBias(bias);
        return errorOf(request);
    };
    std::vector<float> bias(kVOCAB_SIZE, 0.5F);
    bias[3] = -kINFINITY;
    EXPECT_EQ(errorWith(texec::Tensor::of(bias)), "");
    bias[7] = std::nanf("");
    EXPECT_EQ(errorWith(texec::Tensor::of(bias)),
        invalid("embeddingBias[7] must be a finite number or minus infinity, got nan"));
    bias[7] = kINFINITY;
    EXPECT_EQ(errorWith(texec::Tensor::of(bias)),
        invalid("embeddingBias[7] must be a finite number or minus infinity, got inf"));
    bias.pop_back();
    EXPECT_EQ(errorWith(texec::Tensor::of(bias)), invalid("length of embeddingBias must be 10, got 9"));
    EXPECT_EQ(errorWith(texec::Tensor::cpu(texec::DataType::kFP16, {kVOCAB_SIZE})),
        invalid("data type of embeddingBias must be FP32, got FP16"));
    EXPECT_EQ(errorWith(texec::Tensor::cpu(texec::DataType::kFP32, {0})),
        invalid("length of embeddingBias must be 10, got 0"));
}

TEST(CheckDecoding, WhatIsRightPasses) {
    EXPECT_EQ(errorOf(plainRequest()), "");
    SamplingConfig config;
    config.setBeamWidth(kMAX_BEAM_WIDTH);
    config.setNumReturnSequences(kMAX_BEAM_WIDTH);
    config.setTopK(2000);
    config.setTopP(1.0F);
    config.setTopPMin(1e-6F);
    config.setTopPDecay(1.0F);
    config.setTopPResetIds(kVOCAB_SIZE - 1);
    config.setMinP(1.0F);
    config.setTemperature(0.0F);
    config.setMinTokens(0);
    config.setBeamSearchDiversityRate(0.0F);
    config.setRepetitionPenalty(0.5F);
    config.setPresencePenalty(-2.0F);
    config.setFrequencyPenalty(-2.0F);
    config.setPromptIgnoreLength(1000);
    config.setLengthPenalty(0.0F);
    config.setEarlyStopping(7);
    config.setNoRepeatNgramSize(1 << 30);
    auto request = plainRequest();
    request.setSamplingConfig(config);
    request.setBadWords({});
    request.setStopWords({{0, 9}});
    EXPECT_EQ(errorOf(request), "");

    SamplingConfig samples;
    samples.setNumReturnSequences(1000);
    request.setSamplingConfig(samples);
    EXPECT_EQ(errorOf(request), "") << "independent samples are not bounded here";
}

} // namespace
} // namespace embedded
