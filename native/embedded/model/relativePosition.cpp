#include "model/relativePosition.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace embedded {

using tensorrt_llm::executor::SizeType32;

SizeType32 relativeBucket(SizeType32 distance, bool bidirectional, SizeType32 numBuckets, SizeType32 maxDistance) {
    SizeType32 const buckets = bidirectional ? numBuckets / 2 : numBuckets;
    SizeType32 const first = bidirectional && distance > 0 ? buckets : 0;
    SizeType32 const d = bidirectional ? std::abs(distance) : std::max(0, -distance);
    SizeType32 const exact = buckets / 2;
    if (d < exact) {
        return first + d;
    }
    double const ratio = std::log(static_cast<double>(d) / exact) / std::log(static_cast<double>(maxDistance) / exact);
    auto const logarithmic = exact + static_cast<SizeType32>(ratio * (buckets - exact));
    return first + std::min(buckets - 1, logarithmic);
}

std::vector<float> expandRelativeBias(std::span<float const> table, bool bidirectional, SizeType32 numBuckets,
    SizeType32 maxDistance, SizeType32 maxLength) {
    std::size_t const numHeads = table.size() / static_cast<std::size_t>(numBuckets);
    std::size_t const lineSize = 2 * static_cast<std::size_t>(maxLength) - 1;
    std::vector<float> lines(numHeads * lineSize);
    for (std::size_t i = 0; i < lineSize; ++i) {
        auto const distance = static_cast<SizeType32>(i) - (maxLength - 1);
        auto const bucket = relativeBucket(distance, bidirectional, numBuckets, maxDistance);
        for (std::size_t head = 0; head < numHeads; ++head) {
            lines[head * lineSize + i] = table[head * static_cast<std::size_t>(numBuckets) + bucket];
        }
    }
    return lines;
}

} // namespace embedded
