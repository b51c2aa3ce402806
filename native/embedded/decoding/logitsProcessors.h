/// What happens to a row of logits before a token is chosen from it. Each changes the row in place, in the order of the
/// Executor: embedding bias, temperature, penalties, minimal length, no-repeat n-grams, bad words, min-p.
#pragma once

#include "decoding/decodingParams.h"

#include <span>
#include <vector>

namespace embedded {

/// Whether addEmbeddingBias() and processLogits() would both leave every row as it is.
[[nodiscard]] bool leavesLogitsAlone(DecodingParams const& params);

/// row += embeddingBias. Nothing without one.
void addEmbeddingBias(DecodingParams const& params, std::span<float> row);

/// The steps after the bias.
/// @param row [vocabulary]: logits, or log-probabilities in beam search (which then are not normalised again)
/// @param tokens decoder prompt and generated tokens of the row's sequence
/// @param counts scratch [vocabulary]: zeros, left as zeros
void processLogits(DecodingParams const& params, std::span<TokenIdType const> tokens, std::span<SizeType32> counts,
    std::span<float> row);

} // namespace embedded
