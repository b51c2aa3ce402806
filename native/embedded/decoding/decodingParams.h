/// What one request asks of decoding, with the Executor's defaults filled in.
#pragma once

#include "tensorrt_llm/executor/executor.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace embedded {

namespace texec = tensorrt_llm::executor;
using texec::SizeType32;
using texec::TokenIdType;

struct DecodingParams {
    SizeType32 beamWidth = 1;          ///< 1: greedy or sampling
    SizeType32 numReturnSequences = 1; ///< beams to return, or independent samples with beamWidth 1
    SizeType32 promptLength = 1;       ///< decoder tokens that were not generated
    SizeType32 maxNewTokens = 1;
    TokenIdType endId = -1; ///< -1: none

    float temperature = 1.0F; ///< > 0; 0 has become greedy: topK 1, topP 0
    SizeType32 topK = 0;      ///< 0: no limit
    float topP = 0.0F;        ///< 0: not asked for
    float topPMin = 1e-6F;
    float topPDecay = 1.0F;
    TokenIdType topPResetIds = -1;
    float minP = 0.0F;
    std::uint64_t seed = 0;

    float repetitionPenalty = 1.0F;
    float presencePenalty = 0.0F;
    float frequencyPenalty = 0.0F;
    SizeType32 promptIgnoreLength = 0;
    SizeType32 minTokens = 0;
    SizeType32 noRepeatNgramSize = 0; ///< 0: off
    std::vector<float> embeddingBias; ///< [vocabulary], or empty
    std::vector<texec::VecTokens> badWords;
    std::vector<texec::VecTokens> stopWords;

    float beamSearchDiversityRate = 0.0F;
    float lengthPenalty = 0.0F;
    SizeType32 earlyStopping = 1;
};

/// REQUIRES: the request passed checkDecoding().
/// @param maxNewTokens the request's maxTokens, clamped to the longest sequence
[[nodiscard]] DecodingParams decodingParams(texec::Request const& request, SizeType32 maxNewTokens);

/// Checks what depends on the model: what SamplingConfig's own setters let through and the runtime refuses, words,
/// the bias.
/// @returns the error message, "[ERR_INVALID_ARGUMENT] field must …, got …", or nothing
[[nodiscard]] std::optional<std::string> checkDecoding(
    texec::Request const& request, SizeType32 maxBeamWidth, SizeType32 vocabSize);

} // namespace embedded
