/// The distribution of a row by the formulas, in double precision.
#pragma once

#include "decoding/decodingTestSupport.h"
#include "decoding/sampler.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <gtest/gtest.h>
#include <numeric>

namespace embedded {

using Row = std::vector<float>;

struct Likely {
    TokenIdType token;
    double probability;
};

inline double logNormalizerOf(Row const& row) {
    double sum = 0;
    for (float const value : row) {
        sum += std::exp(static_cast<double>(value));
    }
    return std::log(sum);
}

/// The k largest (0: all) with their probabilities in the whole row, in order.
inline std::vector<Likely> mostLikely(Row const& row, SizeType32 topK) {
    double const normalizer = logNormalizerOf(row);
    std::vector<Likely> all;
    for (float const value : row) {
        all.push_back({static_cast<TokenIdType>(all.size()), std::exp(static_cast<double>(value) - normalizer)});
    }
    std::ranges::stable_sort(all, std::ranges::greater(), &Likely::probability);
    all.resize(topK == 0 ? all.size() : std::min(all.size(), static_cast<std::size_t>(topK)));
    return all;
}

inline double sumOf(std::vector<Likely> const& tokens) {
    return std::accumulate(
        tokens.begin(), tokens.end(), 0.0, [](double sum, auto const& t) { return sum + t.probability; });
}

inline Choice choose(Sampler& sampler, Row const& row) {
    auto const normalizer = static_cast<float>(logNormalizerOf(row));
    if (sampler.numCandidates() == 0) {
        return sampler.choose(row, normalizer);
    }
    std::vector<compute::Candidate> best;
    for (auto const& [token, probability] : mostLikely(row, sampler.numCandidates())) {
        best.push_back({token, row[static_cast<std::size_t>(token)]});
    }
    return sampler.choose(best, normalizer);
}

inline Row const kROW{0.3F, -1, 1.2F, 0.9F, -0.2F, 1.2F, kMINUS_INFINITY};

} // namespace embedded
