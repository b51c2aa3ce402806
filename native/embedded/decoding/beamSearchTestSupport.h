/// Beam search step by step, with candidates that the test makes up.
#pragma once

#include "decoding/beamSearch.h"
#include "decoding/decodingTestSupport.h"

#include <gtest/gtest.h>

namespace embedded {

using Tokens = texec::VecTokens;
using All = std::vector<Tokens>;
using Parents = std::vector<SizeType32>;
inline constexpr TokenIdType kEND = 0;
inline constexpr TokenIdType kSTART = 9;

inline DecodingParams twoBeams() {
    DecodingParams params;
    params.beamWidth = 2;
    params.numReturnSequences = 2;
    params.endId = kEND;
    params.maxNewTokens = 10;
    return params;
}

/// A search that begins with the prompt [kSTART].
struct Steps {
    explicit Steps(DecodingParams const& params)
        : search(params) {}

    /// Candidates of all live beams in turn.
    Parents step(std::vector<compute::Candidate> const& candidates) {
        auto const parents = search.advance(candidates, beams);
        EXPECT_EQ(parents.size(), beams.size());
        return {parents.begin(), parents.end()};
    }

    [[nodiscard]] All live() const {
        All tokens;
        for (auto const& beam : beams) {
            tokens.push_back(beam.tokens);
        }
        return tokens;
    }

    [[nodiscard]] All best() const {
        All tokens;
        for (auto const& beam : search.best(beams, texec::FinishReason::kLENGTH)) {
            tokens.push_back(beam.tokens);
        }
        return tokens;
    }

    BeamSearch search;
    std::vector<Beam> beams{{{kSTART}, {}, 0, texec::FinishReason::kNOT_FINISHED}};
};

} // namespace embedded
