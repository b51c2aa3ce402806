#include "decoding/logitsProcessors.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace embedded {

namespace {

constexpr float kBANNED = -std::numeric_limits<float>::infinity();

using Tokens = std::span<TokenIdType const>;

float& at(std::span<float> row, TokenIdType token) {
    return row[static_cast<std::size_t>(token)];
}

bool hasPenalties(DecodingParams const& params) {
    return params.repetitionPenalty != 1.0F || params.presencePenalty != 0.0F || params.frequencyPenalty != 0.0F;
}

bool hasMinP(DecodingParams const& params) {
    return params.beamWidth == 1 && params.minP > 0.0F;
}

void applyTemperature(DecodingParams const& params, std::span<float> row) {
    if (params.temperature != 1.0F) {
        float const factor = 1.0F / (params.temperature + 1e-6F);
        std::ranges::transform(row, row.begin(), [factor](float value) { return value * factor; });
    }
}

float penalised(DecodingParams const& params, float value, SizeType32 occurrences) {
    value = value < 0.0F ? value * params.repetitionPenalty : value / params.repetitionPenalty;
    if (occurrences > 0) {
        value -= params.presencePenalty;
        value -= params.frequencyPenalty * static_cast<float>(occurrences);
    }
    return value;
}

void applyPenalties(DecodingParams const& params, Tokens tokens, std::span<SizeType32> counts, std::span<float> row) {
    if (!hasPenalties(params)) {
        return;
    }
    // One more than the occurrences, so that tokens only seen in the ignored part of the prompt have a mark too.
    SizeType32 const numIgnored = std::min(params.promptIgnoreLength, params.promptLength);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        SizeType32& count = counts[static_cast<std::size_t>(tokens[i])];
        count = std::max(count, 1) + (static_cast<SizeType32>(i) < numIgnored ? 0 : 1);
    }
    for (auto const token : tokens) {
        SizeType32& count = counts[static_cast<std::size_t>(token)];
        if (count > 0) {
            at(row, token) = penalised(params, at(row, token), count - 1);
            count = 0;
        }
    }
}

void applyMinTokens(DecodingParams const& params, Tokens tokens, std::span<float> row) {
    if (params.endId >= 0 && std::ssize(tokens) - params.promptLength < params.minTokens) {
        at(row, params.endId) = kBANNED;
    }
}

void banRepeatedNgrams(DecodingParams const& params, Tokens tokens, std::span<float> row) {
    auto const size = static_cast<std::size_t>(params.noRepeatNgramSize);
    if (size == 0 || tokens.size() < size) {
        return;
    }
    auto const tail = tokens.last(size - 1);
    for (std::size_t last = size - 1; last < tokens.size(); ++last) {
        if (std::ranges::equal(tail, tokens.subspan(last - tail.size(), tail.size()))) {
            at(row, tokens[last]) = kBANNED;
        }
    }
}

void banBadWords(DecodingParams const& params, Tokens tokens, std::span<float> row) {
    for (auto const& word : params.badWords) {
        auto const start = std::span(word).first(word.size() - 1);
        if (start.size() <= tokens.size() && std::ranges::equal(start, tokens.last(start.size()))) {
            at(row, word.back()) = kBANNED;
        }
    }
}

void applyMinP(DecodingParams const& params, std::span<float> row) {
    if (!hasMinP(params)) {
        return;
    }
    float largest = kBANNED;
    for (float const value : row) {
        largest = value > largest ? value : largest;
    }
    float const least = largest + std::log(params.minP);
    std::ranges::transform(row, row.begin(), [least](float value) { return value < least ? kBANNED : value; });
}

} // namespace

bool leavesLogitsAlone(DecodingParams const& params) {
    bool const barsTokens = params.noRepeatNgramSize > 0 || !params.badWords.empty() || hasMinP(params)
        || (params.minTokens > 0 && params.endId >= 0);
    return !barsTokens && params.embeddingBias.empty() && params.temperature == 1.0F && !hasPenalties(params);
}

void addEmbeddingBias(DecodingParams const& params, std::span<float> row) {
    for (std::size_t i = 0; i < params.embeddingBias.size(); ++i) {
        row[i] += params.embeddingBias[i];
    }
}

void processLogits(DecodingParams const& params, Tokens tokens, std::span<SizeType32> counts, std::span<float> row) {
    applyTemperature(params, row);
    applyPenalties(params, tokens, counts, row);
    applyMinTokens(params, tokens, row);
    banRepeatedNgrams(params, tokens, row);
    banBadWords(params, tokens, row);
    applyMinP(params, row);
}

} // namespace embedded
