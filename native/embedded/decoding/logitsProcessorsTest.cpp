#include "decoding/logitsProcessors.h"

#include "decoding/decodingTestSupport.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

namespace embedded {
namespace {

/// Bias and the other steps; the scratch must come back as it was.
std::vector<float> processed(DecodingParams const& params, texec::VecTokens const& tokens, std::vector<float> row) {
    std::vector<SizeType32> counts(row.size(), 0);
    addEmbeddingBias(params, row);
    processLogits(params, tokens, counts, row);
    EXPECT_TRUE(std::ranges::all_of(counts, [](auto count) { return count == 0; }));
    return row;
}

void expectRow(std::vector<float> const& row, std::vector<float> const& expected) {
    ASSERT_EQ(row.size(), expected.size());
    for (std::size_t i = 0; i < row.size(); ++i) {
        if (std::isinf(expected[i])) {
            EXPECT_EQ(row[i], expected[i]) << "at " << i;
        } else {
            // Relative: the temperature has 1e-6 more than Hugging Face's.
            EXPECT_NEAR(row[i], expected[i], 1e-5F * std::max(1.0F, std::abs(expected[i]))) << "at " << i;
        }
    }
}

TEST(LogitsProcessors, EqualHuggingFaceAndTheDocumentedOrder) {
    auto const goldens = decodingGolden("processors.json");
    for (auto const& golden : goldens.at("cases")) {
        SCOPED_TRACE(golden.at("name").get<std::string>() + " " + golden.at("params").dump());
        auto tokens = golden.at("prompt").get<texec::VecTokens>();
        auto const params = paramsOf(golden.at("params"), tokens.size());
        auto const generated = golden.at("generated").get<texec::VecTokens>();
        tokens.insert(tokens.end(), generated.begin(), generated.end());
        auto const row = floatsOf(golden.at("row"));
        auto const expected = floatsOf(golden.at("expected"));
        expectRow(processed(params, tokens, row), expected);
        if (leavesLogitsAlone(params)) {
            EXPECT_EQ(row, expected);
        }
    }
    EXPECT_GT(goldens.at("cases").size(), 50U);
}

TEST(LogitsProcessors, NothingIsDoneByDefault) {
    DecodingParams params;
    EXPECT_TRUE(leavesLogitsAlone(params));
    std::vector<float> const row{1.5F, -2.25F, kMINUS_INFINITY, 0};
    EXPECT_EQ(processed(params, {0, 1, 3, 3}, row), row);
    // What does not touch logits, or cannot.
    params.topK = 5;
    params.topP = 0.5F;
    params.promptIgnoreLength = 1;
    params.minTokens = 3;
    params.stopWords = {{1}};
    params.lengthPenalty = 2;
    EXPECT_TRUE(leavesLogitsAlone(params));
    EXPECT_EQ(processed(params, {0, 1, 3, 3}, row), row);
}

TEST(LogitsProcessors, EachSettingIsSeen) {
    void (*const settings[])(DecodingParams&) = {
        [](auto& p) { p.temperature = 0.5F; },
        [](auto& p) { p.repetitionPenalty = 1.1F; },
        [](auto& p) { p.presencePenalty = -1; },
        [](auto& p) { p.frequencyPenalty = 0.1F; },
        [](auto& p) {
            p.endId = 1;
            p.minTokens = 1;
        },
        [](auto& p) { p.noRepeatNgramSize = 2; },
        [](auto& p) { p.badWords = {{1}}; },
        [](auto& p) {
            p.embeddingBias = {1, 0};
        },
        [](auto& p) { p.minP = 0.1F; },
    };
    for (auto* const set : settings) {
        DecodingParams params;
        set(params);
        EXPECT_FALSE(leavesLogitsAlone(params));
    }
}

TEST(LogitsProcessors, TemperatureHasTheExecutorsSmallAddend) {
    DecodingParams params;
    params.temperature = 1e-6F;
    expectRow(processed(params, {0}, {2, -3}), {2 / 2e-6F, -3 / 2e-6F});
}

/// Written out: token 3 is in the ignored part of the prompt only, token 2 in both parts, token 1 was generated.
TEST(LogitsProcessors, PromptIgnoreLengthSparesPresenceAndFrequencyOnly) {
    DecodingParams params;
    params.promptLength = 3;
    params.repetitionPenalty = 2;
    params.presencePenalty = 0.25F;
    params.frequencyPenalty = 0.5F;
    params.promptIgnoreLength = 2;
    std::vector<float> const row{1, 1, -1, 1};
    texec::VecTokens const tokens{3, 2, 2, 1, 1};
    EXPECT_EQ(
        processed(params, tokens, row), (std::vector<float>{1, 0.5F - 0.25F - 2 * 0.5F, -2 - 0.25F - 0.5F, 0.5F}));
    params.promptIgnoreLength = 100; // never reaches into what was generated
    EXPECT_EQ(processed(params, tokens, row), (std::vector<float>{1, 0.5F - 0.25F - 2 * 0.5F, -2, 0.5F}));
}

TEST(LogitsProcessors, MinTokensBarsTheEndIdUntilThen) {
    DecodingParams params;
    params.promptLength = 2;
    params.endId = 1;
    params.minTokens = 2;
    EXPECT_EQ(processed(params, {0, 0}, {1, 9}), (std::vector<float>{1, kMINUS_INFINITY}));
    EXPECT_EQ(processed(params, {0, 0, 0}, {1, 9}), (std::vector<float>{1, kMINUS_INFINITY}));
    EXPECT_EQ(processed(params, {0, 0, 0, 0}, {1, 9}), (std::vector<float>{1, 9}));
}

/// Hugging Face wants one token more before the word; the Executor does not.
TEST(LogitsProcessors, BadWordsMayBeginWithTheSequence) {
    DecodingParams params;
    params.badWords = {{0, 2, 1}, {1, 0, 2, 0}};
    EXPECT_EQ(processed(params, {0, 2}, {1, 1, 1}), (std::vector<float>{1, kMINUS_INFINITY, 1}));
}

TEST(LogitsProcessors, MinPCountsWhatTheStepsBeforeLeft) {
    DecodingParams params;
    params.minP = 0.5F; // log 0.5 = -0.69
    params.badWords = {{0}};
    EXPECT_EQ(
        processed(params, {9}, {5, 1, 0.4F, 0.2F}), (std::vector<float>{kMINUS_INFINITY, 1, 0.4F, kMINUS_INFINITY}));
    params.minP = 1;
    EXPECT_EQ(processed(params, {9}, {5, 1, 1, 0.2F}), (std::vector<float>{kMINUS_INFINITY, 1, 1, kMINUS_INFINITY}));
}

TEST(LogitsProcessors, MinPIsForSamplingAlone) {
    DecodingParams params;
    params.minP = 0.5F;
    params.beamWidth = 2;
    EXPECT_TRUE(leavesLogitsAlone(params));
    EXPECT_EQ(processed(params, {0}, {5, 1}), (std::vector<float>{5, 1}));
}

TEST(LogitsProcessors, EverythingMayBeBanned) {
    DecodingParams params;
    params.minP = 0.5F;
    params.temperature = 0.5F;
    params.badWords = {{0}, {1}};
    EXPECT_EQ(processed(params, {0}, {5, 1}), (std::vector<float>{kMINUS_INFINITY, kMINUS_INFINITY}));
}

} // namespace
} // namespace embedded
