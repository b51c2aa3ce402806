/// The whole runtime against Hugging Face: test/goldens holds tiny models with the encoder output, the logits of every
/// step and the greedy tokens that scripts/make-goldens.py recorded.
#include "executor/executorImpl.h"
#include "model/safetensors.h"
#include "testing/testData.h"
#include "testing/testExecutor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

namespace embedded {
namespace {

using testing::goldens;
using testing::makeExecutor;

struct GoldenCase {
    texec::VecTokens input;
    texec::VecTokens prompt;
    SizeType32 maxTokens;
    texec::VecTokens tokens;
    TensorView encoderOutput; ///< [input, H]
    TensorView logits;        ///< [steps, V]
};

texec::VecTokens ints(SafetensorsFile const& file, std::string const& name) {
    auto const& tensor = file.at(name);
    texec::VecTokens values(tensor.data.size() / sizeof(texec::TokenIdType));
    std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
    return values;
}

std::vector<GoldenCase> readCases(SafetensorsFile const& file) {
    std::vector<GoldenCase> cases;
    for (int i = 0; file.contains("case" + std::to_string(i) + ".input_ids"); ++i) {
        auto const prefix = "case" + std::to_string(i) + ".";
        cases.push_back({ints(file, prefix + "input_ids"), ints(file, prefix + "decoder_input_ids"),
            ints(file, prefix + "max_tokens").at(0), ints(file, prefix + "tokens"), file.at(prefix + "encoder_output"),
            file.at(prefix + "logits")});
    }
    return cases;
}

/// max |ours - expected| <= 1e-4 * max |expected| for each row of the expected matrix.
void expectRowsClose(void const* ours, TensorView const& expected, std::string const& what) {
    ASSERT_EQ(expected.shape.size(), 2U);
    auto const cols = static_cast<std::size_t>(expected.shape[1]);
    std::vector<float> row(cols);
    for (std::int64_t r = 0; r < expected.shape[0]; ++r) {
        auto const* const mine = static_cast<float const*>(ours) + static_cast<std::size_t>(r) * cols;
        std::memcpy(row.data(), expected.data.data() + static_cast<std::size_t>(r) * cols * sizeof(float),
            cols * sizeof(float));
        float largest = 0;
        float error = 0;
        for (std::size_t c = 0; c < cols; ++c) {
            largest = std::max(largest, std::abs(row[c]));
            error = std::max(error, std::abs(mine[c] - row[c]));
        }
        ASSERT_LE(error, 1e-4F * largest) << what << " row " << r;
    }
}

texec::Request requestOf(GoldenCase const& golden) {
    texec::OutputConfig output;
    output.excludeInputFromOutput = true;
    output.returnEncoderOutput = true;
    output.returnGenerationLogits = true;
    texec::Request request(golden.prompt, golden.maxTokens, false, texec::SamplingConfig(), output, testing::kEND_ID);
    request.setEncoderInputTokenIds(golden.input);
    return request;
}

void expectGolden(texec::Result const& result, GoldenCase const& golden) {
    EXPECT_EQ(result.outputTokenIds.at(0), golden.tokens);
    auto const ended = golden.tokens.size() < static_cast<std::size_t>(golden.maxTokens);
    EXPECT_EQ(result.finishReasons.at(0), ended ? texec::FinishReason::kEND_ID : texec::FinishReason::kLENGTH);
    EXPECT_EQ(result.decodingIter, golden.logits.shape[0]);
    expectRowsClose(result.encoderOutput->getData(), golden.encoderOutput, "encoder output");
    expectRowsClose(result.generationLogits->getData(), golden.logits, "logits");
}

std::vector<std::string> goldenNames() {
    std::vector<std::string> names;
    for (auto const& entry : std::filesystem::directory_iterator(goldens())) {
        if (std::filesystem::exists(entry.path() / "goldens.safetensors")) {
            names.push_back(entry.path().filename());
        }
    }
    std::ranges::sort(names);
    return names;
}

class Golden : public ::testing::TestWithParam<std::string> {};

TEST_P(Golden, EncoderOutputLogitsAndTokensEqualHuggingFace) {
    auto const folder = goldens() / GetParam();
    SafetensorsFile const file(folder / "goldens.safetensors");
    auto const cases = readCases(file);
    ASSERT_FALSE(cases.empty());
    auto const executor = makeExecutor(folder, {.gatherGenerationLogits = true});
    std::vector<texec::Request> requests;
    std::ranges::transform(cases, std::back_inserter(requests), requestOf);
    auto const ids = executor->enqueueRequests(requests);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        SCOPED_TRACE("case " + std::to_string(i));
        auto const responses = executor->awaitResponses(ids[i]);
        ASSERT_EQ(responses.size(), 1U);
        ASSERT_FALSE(responses[0].hasError()) << responses[0].getErrorMsg();
        expectGolden(responses[0].getResult(), cases[i]);
    }
}

INSTANTIATE_TEST_SUITE_P(All, Golden, ::testing::ValuesIn(goldenNames()), [](auto const& test) {
    auto name = test.param;
    std::ranges::replace_if(
        name, [](unsigned char c) { return !std::isalnum(c); }, '_');
    return name;
});

TEST(Goldens, AreThere) {
    EXPECT_GE(goldenNames().size(), 5U);
}

} // namespace
} // namespace embedded
