/// Decoding settings against Hugging Face: every case of test/goldens/<model>/generation.json, greedy ones and beams of
/// all widths, in one batch. scripts/make-generation-goldens.py recorded them.
#include "testing/testData.h"
#include "testing/testExecutor.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <list>
#include <nlohmann/json.hpp>

namespace embedded {
namespace {

using nlohmann::json;
using testing::goldens;
using testing::makeExecutor;
namespace texec = tensorrt_llm::executor;

constexpr double kTOLERANCE = 1e-4;

/// Calls the setter with the case's value of that name, if it has one.
template <typename Value, typename Owner, typename Parameter>
void set(json const& golden, char const* name, Owner& owner, void (Owner::*setter)(Parameter)) {
    if (golden.contains(name)) {
        (owner.*setter)(golden.at(name).get<Value>());
    }
}

texec::SamplingConfig samplingOf(json const& golden) {
    using Sampling = texec::SamplingConfig;
    Sampling sampling;
    set<SizeType32>(golden, "beamWidth", sampling, &Sampling::setBeamWidth);
    set<SizeType32>(golden, "numReturnSequences", sampling, &Sampling::setNumReturnSequences);
    set<float>(golden, "lengthPenalty", sampling, &Sampling::setLengthPenalty);
    set<SizeType32>(golden, "earlyStopping", sampling, &Sampling::setEarlyStopping);
    set<float>(golden, "temperature", sampling, &Sampling::setTemperature);
    set<float>(golden, "repetitionPenalty", sampling, &Sampling::setRepetitionPenalty);
    set<SizeType32>(golden, "noRepeatNgramSize", sampling, &Sampling::setNoRepeatNgramSize);
    set<SizeType32>(golden, "minTokens", sampling, &Sampling::setMinTokens);
    return sampling;
}

texec::Tensor biasOf(json const& pairs, SizeType32 vocabSize) {
    auto bias = texec::Tensor::cpu(texec::DataType::kFP32, {vocabSize});
    auto* const values = static_cast<float*>(bias.getData());
    std::fill_n(values, vocabSize, 0.0F);
    for (auto const& [token, value] : pairs.get<std::vector<std::pair<std::size_t, float>>>()) {
        values[token] = value;
    }
    return bias;
}

texec::Request requestOf(json const& golden, SizeType32 vocabSize) {
    texec::OutputConfig output;
    output.excludeInputFromOutput = true;
    output.returnLogProbs = true;
    texec::Request request(golden.at("prompt").get<texec::VecTokens>(), golden.at("maxTokens").get<SizeType32>(), false,
        samplingOf(golden), output);
    request.setEncoderInputTokenIds(golden.at("input").get<texec::VecTokens>());
    set<SizeType32>(golden, "endId", request, &texec::Request::setEndId);
    set<std::list<texec::VecTokens>>(golden, "badWords", request, &texec::Request::setBadWords);
    set<std::list<texec::VecTokens>>(golden, "stopWords", request, &texec::Request::setStopWords);
    if (golden.contains("embeddingBias")) {
        request.setEmbeddingBias(biasOf(golden.at("embeddingBias"), vocabSize));
    }
    return request;
}

texec::FinishReason finishOf(json const& beam) {
    auto const& name = beam.at("finish");
    if (name == "END_ID") {
        return texec::FinishReason::kEND_ID;
    }
    return name == "LENGTH" ? texec::FinishReason::kLENGTH : texec::FinishReason::kSTOP_WORDS;
}

void expectBeam(texec::Result const& result, std::size_t index, json const& golden) {
    SCOPED_TRACE("beam " + std::to_string(index));
    auto const& beam = golden.at("beams").at(index);
    auto const expected = beam.at("tokens").get<texec::VecTokens>();
    ASSERT_EQ(result.outputTokenIds.at(index), expected);
    EXPECT_EQ(result.finishReasons.at(index), finishOf(beam));
    auto const logProbs = beam.at("logProbs").get<std::vector<double>>();
    auto const& ours = result.logProbs->at(index);
    ASSERT_EQ(ours.size(), logProbs.size());
    for (std::size_t i = 0; i < ours.size(); ++i) {
        EXPECT_NEAR(ours[i], logProbs[i], kTOLERANCE) << "log-probability " << i;
    }
    auto const length = static_cast<double>(expected.size()) + (beam.at("finish") == "END_ID" ? 1 : 0);
    auto const normalizer = std::pow(length, golden.value("lengthPenalty", 0.0));
    EXPECT_NEAR(result.cumLogProbs->at(index) / normalizer, beam.at("score").get<double>(), kTOLERANCE) << "score";
}

void expectGolden(texec::Result const& result, json const& golden) {
    auto const& beams = golden.at("beams");
    ASSERT_EQ(result.outputTokenIds.size(), beams.size());
    ASSERT_EQ(result.finishReasons.size(), beams.size());
    for (std::size_t i = 0; i < beams.size(); ++i) {
        expectBeam(result, i, golden);
    }
}

SizeType32 vocabSizeOf(std::filesystem::path const& folder) {
    std::ifstream file(folder / "decoder/config.json");
    return json::parse(file).at("vocab_size").get<SizeType32>();
}

class GenerationGolden : public ::testing::TestWithParam<std::string> {};

TEST_P(GenerationGolden, OneMixedBatchEqualsHuggingFace) {
    auto const folder = goldens() / GetParam();
    std::ifstream file(folder / "generation.json");
    auto const cases = json::parse(file);
    ASSERT_GE(cases.size(), 150U);
    auto const vocabSize = vocabSizeOf(folder);
    std::vector<texec::Request> requests;
    std::ranges::transform(
        cases, std::back_inserter(requests), [&](json const& golden) { return requestOf(golden, vocabSize); });
    auto const executor = makeExecutor(folder, {.maxBeamWidth = 64});
    auto const ids = executor->enqueueRequests(requests);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        SCOPED_TRACE(cases[i].at("name").get<std::string>());
        auto const responses = executor->awaitResponses(ids[i]);
        ASSERT_EQ(responses.size(), 1U);
        ASSERT_FALSE(responses[0].hasError()) << responses[0].getErrorMsg();
        expectGolden(responses[0].getResult(), cases[i]);
    }
}

INSTANTIATE_TEST_SUITE_P(All, GenerationGolden, ::testing::Values("t5-v10", "t5-v11", "ul2"), [](auto const& test) {
    auto name = test.param;
    std::ranges::replace(name, '-', '_');
    return name;
});

} // namespace
} // namespace embedded
