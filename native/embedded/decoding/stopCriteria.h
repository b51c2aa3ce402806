/// When a sequence ends.
#pragma once

#include "decoding/decodingParams.h"

#include <span>

namespace embedded {

/// Whether the sequence ends with one of the stop words; the match may begin in the decoder prompt but not end there.
[[nodiscard]] bool endsWithStopWord(DecodingParams const& params, std::span<TokenIdType const> tokens);

/// The end id goes before stop words, and these before the length limit.
/// @param isEnd whether the token just chosen is the request's end id, which is not in `tokens`
/// @param tokens decoder prompt and generated tokens
[[nodiscard]] texec::FinishReason finishAfter(
    DecodingParams const& params, bool isEnd, std::span<TokenIdType const> tokens);

} // namespace embedded
