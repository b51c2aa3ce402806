#include "decoding/stopCriteria.h"

#include <gtest/gtest.h>

namespace embedded {
namespace {

using texec::FinishReason;
using Tokens = texec::VecTokens;

DecodingParams withWords(std::vector<Tokens> words) {
    DecodingParams params;
    params.promptLength = 2;
    params.maxNewTokens = 4;
    params.stopWords = std::move(words);
    return params;
}

TEST(StopCriteria, AStopWordEndsTheSequence) {
    auto const params = withWords({{5}, {6, 7}, {1, 2, 3}});
    EXPECT_TRUE(endsWithStopWord(params, Tokens{0, 1, 5}));
    EXPECT_TRUE(endsWithStopWord(params, Tokens{0, 1, 9, 6, 7}));
    EXPECT_FALSE(endsWithStopWord(params, Tokens{0, 1, 5, 9})) << "not at the end";
    EXPECT_FALSE(endsWithStopWord(params, Tokens{0, 1, 6, 9, 7}));
    EXPECT_FALSE(endsWithStopWord(params, Tokens{0, 1, 7}));
    EXPECT_FALSE(endsWithStopWord(withWords({}), Tokens{0, 1, 5}));
}

TEST(StopCriteria, AMatchMayBeginInThePromptButNotEndThere) {
    auto const params = withWords({{5}, {1, 2, 3}, {0, 1, 2, 3, 4, 6}});
    EXPECT_FALSE(endsWithStopWord(params, Tokens{0, 5}));
    EXPECT_TRUE(endsWithStopWord(params, Tokens{0, 1, 2, 3}));
    EXPECT_FALSE(endsWithStopWord(withWords({{9, 0, 1, 2}}), Tokens{0, 1, 2})) << "longer than the sequence";
    EXPECT_TRUE(endsWithStopWord(withWords({{0, 1, 2}}), Tokens{0, 1, 2})) << "the whole sequence";
}

TEST(StopCriteria, EndIdBeforeStopWordsBeforeLength) {
    auto const params = withWords({{5}});
    EXPECT_EQ(finishAfter(params, false, Tokens{0, 1, 4}), FinishReason::kNOT_FINISHED);
    EXPECT_EQ(finishAfter(params, false, Tokens{0, 1, 4, 4, 4}), FinishReason::kNOT_FINISHED);
    EXPECT_EQ(finishAfter(params, false, Tokens{0, 1, 4, 4, 4, 4}), FinishReason::kLENGTH);
    EXPECT_EQ(finishAfter(params, false, Tokens{0, 1, 4, 4, 4, 5}), FinishReason::kSTOP_WORDS);
    EXPECT_EQ(finishAfter(params, true, Tokens{0, 1, 4, 4, 4, 5}), FinishReason::kEND_ID);
    EXPECT_EQ(finishAfter(params, true, Tokens{0, 1}), FinishReason::kEND_ID);
}

} // namespace
} // namespace embedded
