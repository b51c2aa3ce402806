#include "constraints.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <list>
#include <utility>
#include <vector>

namespace trtllm_node {
namespace {

using Tokens = TokenTrie::Sequence;

constexpr Constraints::TokenId kEND = 0;
constexpr std::size_t kVOCAB_SIZE = 8;

/// Tokens whose logits are left as they are.
Tokens allowedAfter(ConstraintOptions const& options, Tokens const& generated) {
    std::vector<float> logits(kVOCAB_SIZE, 1.0F);
    Tokens scratch{99}; // of an earlier call
    Constraints(options).apply(generated, logits, scratch);
    Tokens allowed;
    for (std::size_t token = 0; token < logits.size(); ++token) {
        if (logits[token] == 1.0F) {
            allowed.push_back(static_cast<Constraints::TokenId>(token));
        } else {
            EXPECT_EQ(logits[token], -std::numeric_limits<float>::infinity());
        }
    }
    return allowed;
}

ConstraintOptions sequences(std::list<Tokens> allowed) {
    ConstraintOptions options;
    options.allowedSequences = std::move(allowed);
    options.endId = kEND;
    options.maxTokens = 10;
    return options;
}

Tokens const kALL{0, 1, 2, 3, 4, 5, 6, 7};

TEST(Constraints, FollowTheSequencesAndEndWhereOneIsComplete) {
    auto const options = sequences({{3, 4}, {3, 4, 5}, {3, 2}, {6}, {6}});
    EXPECT_EQ(allowedAfter(options, {}), (Tokens{3, 6}));
    EXPECT_EQ(allowedAfter(options, {3}), (Tokens{2, 4}));
    EXPECT_EQ(allowedAfter(options, {3, 4}), (Tokens{kEND, 5}));
    EXPECT_EQ(allowedAfter(options, {3, 4, 5}), (Tokens{kEND}));
    EXPECT_EQ(allowedAfter(options, {6}), (Tokens{kEND}));
}

TEST(Constraints, WhatLeftTheSequencesEnds) {
    auto const options = sequences({{3, 4}, {3}});
    EXPECT_EQ(allowedAfter(options, {5}), (Tokens{kEND}));
    EXPECT_EQ(allowedAfter(options, {3, 4, 4}), (Tokens{kEND}));
}

TEST(Constraints, EqualALookAtEverySequence) {
    std::uint32_t state = 1;
    auto const next = [&state](std::uint32_t n) {
        state = state * 1664525U + 1013904223U;
        return static_cast<std::int32_t>((state >> 16) % n);
    };
    for (int run = 0; run < 300; ++run) {
        std::list<Tokens> list;
        for (int i = next(9); i >= 0; --i) {
            Tokens& sequence = list.emplace_back();
            for (int length = 1 + next(4); length > 0; --length) {
                sequence.push_back(1 + next(3));
            }
        }
        Tokens beginning;
        for (int length = next(4); length > 0; --length) {
            beginning.push_back(1 + next(3));
        }
        std::vector<bool> expected(kVOCAB_SIZE, false);
        bool isKnown = false;
        for (Tokens const& sequence : list) {
            if (sequence.size() < beginning.size()
                || !std::equal(beginning.begin(), beginning.end(), sequence.begin())) {
                continue;
            }
            isKnown = true;
            bool const isComplete = sequence.size() == beginning.size();
            expected[static_cast<std::size_t>(isComplete ? kEND : sequence[beginning.size()])] = true;
        }
        expected[kEND] = expected[kEND] || !isKnown;
        std::vector<bool> found(kVOCAB_SIZE, false);
        for (auto const token : allowedAfter(sequences(list), beginning)) {
            found[static_cast<std::size_t>(token)] = true;
        }
        EXPECT_EQ(found, expected);
    }
}

TEST(Constraints, ForceTheFirstAndTheLastToken) {
    ConstraintOptions options;
    options.forcedFirst = 3;
    options.forcedLast = kEND;
    options.maxTokens = 3;
    EXPECT_TRUE(options.any());
    EXPECT_EQ(allowedAfter(options, {}), (Tokens{3}));
    EXPECT_EQ(allowedAfter(options, {3}), kALL);
    EXPECT_EQ(allowedAfter(options, {3, 4}), (Tokens{kEND}));
    EXPECT_FALSE(ConstraintOptions{}.any());
}

TEST(Constraints, SuppressTokensAtTheBeginning) {
    ConstraintOptions options;
    options.suppressedFirst = {0, 2, 99};
    EXPECT_TRUE(options.any());
    auto const isOther = [](auto token) { return token != 0 && token != 2; };
    Tokens others;
    std::ranges::copy_if(kALL, std::back_inserter(others), isOther);
    EXPECT_EQ(allowedAfter(options, {}), others);
    EXPECT_EQ(allowedAfter(options, {3}), kALL);
    options.forcedFirst = 2;
    EXPECT_EQ(allowedAfter(options, {}), (Tokens{2})) << "the forced token comes before";
    EXPECT_EQ(allowedAfter(options, {2}), others);
}

TEST(Constraints, PassOverWhatIsNoToken) {
    EXPECT_EQ(allowedAfter(sequences({{-1}, {8}, {7}}), {}), (Tokens{7}));
}

} // namespace
} // namespace trtllm_node
