/// The largest values of a row, found without sorting the row.
#pragma once

#include "compute/backend.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace embedded::compute {

/// Larger values first, lower indices first among equals.
[[nodiscard]] inline bool ranksBefore(Candidate const& left, Candidate const& right) {
    return left.value > right.value || (left.value == right.value && left.token < right.token);
}

/// Fills `best` as Backend::largest() does. A value joins only if it is above the least one kept so far, and few are
/// once the first have been seen.
/// @param firstAbove (values, count, threshold) gives the index of the first value above the threshold, or `count`
template <class FirstAbove>
void selectLargest(std::span<float const> row, std::span<Candidate> best, FirstAbove const& firstAbove) {
    for (std::size_t i = 0; i < best.size(); ++i) {
        bool const isNumber = !std::isnan(row[i]);
        best[i] = {static_cast<TokenIdType>(i), isNumber ? row[i] : -std::numeric_limits<float>::infinity()};
    }
    std::ranges::make_heap(best, ranksBefore); // the one that ranks last is in front
    auto const count = std::ssize(row);
    for (auto i = std::ssize(best); i < count; ++i) {
        i += firstAbove(row.data() + i, count - i, best.front().value);
        if (i < count) {
            std::ranges::pop_heap(best, ranksBefore);
            best.back() = {static_cast<TokenIdType>(i), row[static_cast<std::size_t>(i)]};
            std::ranges::push_heap(best, ranksBefore);
        }
    }
    std::ranges::sort_heap(best, ranksBefore);
}

} // namespace embedded::compute
