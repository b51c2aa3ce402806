#include "decoding/stopCriteria.h"

#include <algorithm>

namespace embedded {

using texec::FinishReason;

bool endsWithStopWord(DecodingParams const& params, std::span<TokenIdType const> tokens) {
    if (std::ssize(tokens) <= params.promptLength) {
        return false;
    }
    return std::ranges::any_of(params.stopWords, [tokens](texec::VecTokens const& word) {
        return word.size() <= tokens.size() && std::ranges::equal(word, tokens.last(word.size()));
    });
}

FinishReason finishAfter(DecodingParams const& params, bool isEnd, std::span<TokenIdType const> tokens) {
    if (isEnd) {
        return FinishReason::kEND_ID;
    }
    if (endsWithStopWord(params, tokens)) {
        return FinishReason::kSTOP_WORDS;
    }
    bool const isFull = std::ssize(tokens) - params.promptLength >= params.maxNewTokens;
    return isFull ? FinishReason::kLENGTH : FinishReason::kNOT_FINISHED;
}

} // namespace embedded
