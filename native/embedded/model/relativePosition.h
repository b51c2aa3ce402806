/// Relative position bias of T5: each (query, key) distance falls into a bucket, each head has one value per bucket.
#pragma once

#include "tensorrt_llm/executor/types.h"

#include <span>
#include <vector>

namespace embedded {

/// Bucket of distance d = key - query (T5, "Exploring the Limits of Transfer Learning", §2.1, as Hugging Face computes
/// it): small distances have a bucket each, larger ones share logarithmic buckets up to `maxDistance`, all beyond
/// share the last. Bidirectional: half of the buckets is for keys after the query. Else keys after it count as 0.
[[nodiscard]] tensorrt_llm::executor::SizeType32 relativeBucket(tensorrt_llm::executor::SizeType32 distance,
    bool bidirectional, tensorrt_llm::executor::SizeType32 numBuckets, tensorrt_llm::executor::SizeType32 maxDistance);

/// Expands a table [numHeads, numBuckets] to [numHeads, 2 * maxLength - 1], index distance + maxLength - 1.
[[nodiscard]] std::vector<float> expandRelativeBias(std::span<float const> table, bool bidirectional,
    tensorrt_llm::executor::SizeType32 numBuckets, tensorrt_llm::executor::SizeType32 maxDistance,
    tensorrt_llm::executor::SizeType32 maxLength);

} // namespace embedded
