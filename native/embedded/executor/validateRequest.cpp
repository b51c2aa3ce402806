#include "executor/activeRequest.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

namespace embedded {

namespace {

using texec::OutputConfig;
using texec::Request;

struct Unsupported {
    char const* field;
    bool (*isSet)(Request const&);
};

/// Fields that would change the result and that this runtime does not apply: refused, never dropped in silence.
constexpr std::array kUNSUPPORTED{
    Unsupported{"positionIds", [](Request const& r) { return r.getPositionIds().has_value(); }},
    Unsupported{"skipCrossAttnBlocks", [](Request const& r) { return r.getSkipCrossAttnBlocks().has_value(); }},
    Unsupported{"languageAdapterUid", [](Request const& r) { return r.getLanguageAdapterUid().has_value(); }},
    Unsupported{"requestType",
        [](Request const& r) { return r.getRequestType() != texec::RequestType::REQUEST_TYPE_CONTEXT_AND_GENERATION; }},
    Unsupported{"outputConfig.additionalModelOutputs",
        [](Request const& r) { return r.getOutputConfig().additionalModelOutputs.has_value(); }},
};

std::string invalid(std::string const& field, std::string const& rule, std::int64_t value) {
    return "[ERR_INVALID_ARGUMENT] " + field + " must be " + rule + ", got " + std::to_string(value);
}

std::optional<std::string> checkTokens(
    std::string const& field, texec::VecTokens const& tokens, SizeType32 maxLength, SizeType32 vocabSize) {
    auto const length = static_cast<std::int64_t>(tokens.size());
    if (length < 1 || length > maxLength) {
        return invalid("length of " + field, "in [1, " + std::to_string(maxLength) + "]", length);
    }
    auto const bad = std::ranges::find_if(tokens, [&](auto id) { return id < 0 || id >= vocabSize; });
    if (bad != tokens.end()) {
        auto const index = std::to_string(bad - tokens.begin());
        return invalid(field + "[" + index + "]", "in [0, " + std::to_string(vocabSize - 1) + "]", *bad);
    }
    return std::nullopt;
}

/// BOOL [decoder tokens, encoder tokens]; every decoder token must see one of the encoder's.
std::optional<std::string> checkCrossAttentionMask(Request const& request, std::int64_t encoderLength) {
    auto const mask = request.getCrossAttentionMask();
    if (!mask) {
        return std::nullopt;
    }
    auto const shape = mask->getShape();
    if (mask->getDataType() != texec::DataType::kBOOL || shape.size() != 2 || shape[0] < 1
        || shape[1] != encoderLength) {
        return "[ERR_INVALID_ARGUMENT] crossAttentionMask must be BOOL [rows, " + std::to_string(encoderLength)
            + "] with at least one row";
    }
    auto const* const values = static_cast<bool const*>(mask->getData());
    for (std::int64_t row = 0; row < shape[0]; ++row) {
        auto const* const first = values + row * encoderLength;
        if (std::find(first, first + encoderLength, true) == first + encoderLength) {
            return "[ERR_INVALID_ARGUMENT] crossAttentionMask must have a true value in each row, row "
                + std::to_string(row) + " has none";
        }
    }
    return std::nullopt;
}

/// The output of an encoder that is not loaded.
std::optional<std::string> checkFeatures(Request const& request, SizeType32 maxLength, SizeType32 hiddenSize) {
    auto const features = request.getEncoderInputFeatures();
    if (!features) {
        return "[ERR_INVALID_ARGUMENT] encoderInputFeatures must be set, as the decoder is loaded without its encoder";
    }
    if (request.getEncoderInputTokenIds()) {
        return "[ERR_INVALID_ARGUMENT] encoderInputTokenIds must not be set, as the decoder is loaded without its "
               "encoder";
    }
    auto const shape = features->getShape();
    if (features->getDataType() != texec::DataType::kFP32 || shape.size() != 2 || shape[1] != hiddenSize) {
        return "[ERR_INVALID_ARGUMENT] encoderInputFeatures must be FP32 [encoder tokens, " + std::to_string(hiddenSize)
            + "]";
    }
    if (shape[0] < 1 || shape[0] > maxLength) {
        return invalid("rows of encoderInputFeatures", "in [1, " + std::to_string(maxLength) + "]", shape[0]);
    }
    return std::nullopt;
}

std::optional<std::string> checkEncoderInput(
    Request const& request, EngineLimits const& limits, ModelConfig const& encoder) {
    auto const features = request.getEncoderInputFeatures();
    auto const tokens = request.getEncoderInputTokenIds().value_or(texec::VecTokens{});
    if (encoder.numLayers == 0) {
        if (auto error = checkFeatures(request, limits.maxInputLength, encoder.hiddenSize)) {
            return error;
        }
    } else if (features) {
        return "[ERR_INVALID_ARGUMENT] encoderInputFeatures must not be set: the encoder of this model takes token ids";
    } else if (auto error = checkTokens("encoderInputTokenIds", tokens, limits.maxInputLength, encoder.vocabSize)) {
        return error;
    }
    auto const length = features ? features->getShape()[0] : std::ssize(tokens);
    if (auto const outputLength = request.getEncoderOutputLength(); outputLength && *outputLength != length) {
        return invalid("encoderOutputLength", "the length of the input, " + std::to_string(length), *outputLength);
    }
    return checkCrossAttentionMask(request, length);
}

std::optional<std::string> checkPostProcessor(Request const& request, RequestPolicy const& policy) {
    auto const name = request.getLogitsPostProcessorName();
    if (name && request.getLogitsPostProcessor()) {
        return "[ERR_INVALID_ARGUMENT] logitsPostProcessorName must not be set together with logitsPostProcessor, got '"
            + *name + "'";
    }
    if (name && *name == Request::kBatchedPostProcessorName && !policy.hasBatchedPostProcessor) {
        return "[ERR_INVALID_ARGUMENT] logitsPostProcessorName '" + *name
            + "' needs processorBatched of the executor's logitsPostProcessorConfig";
    }
    return std::nullopt;
}

} // namespace

SizeType32 numSequences(Request const& request) {
    auto const sampling = request.getSamplingConfig();
    return sampling.getBeamWidth() > 1 ? 1 : sampling.getNumReturnSequences().value_or(1);
}

std::optional<std::string> validateRequest(Request const& request, EngineLimits const& limits,
    ModelConfig const& encoder, ModelConfig const& decoder, RequestPolicy const& policy) {
    for (auto const& [field, isSet] : kUNSUPPORTED) {
        if (isSet(request)) {
            return "[ERR_UNSUPPORTED] " + std::string(field) + " is not supported by the embedded runtime";
        }
    }
    if (auto error = checkEncoderInput(request, limits, encoder)) {
        return error;
    }
    SizeType32 const maxPrompt = std::min(limits.maxSequenceLength - 1, limits.maxNumTokens);
    if (auto error = checkTokens("inputTokenIds", request.getInputTokenIds(), maxPrompt, decoder.vocabSize)) {
        return error;
    }
    SizeType32 const endId = request.getEndId().value_or(-1);
    if (endId < -1 || endId >= decoder.vocabSize) {
        return invalid("endId", "in [-1, " + std::to_string(decoder.vocabSize - 1) + "]", endId);
    }
    if (std::isnan(request.getPriority())) {
        return "[ERR_INVALID_ARGUMENT] priority must be a number, got NaN";
    }
    if (request.getOutputConfig().returnGenerationLogits && !policy.gatherGenerationLogits) {
        return "[ERR_INVALID_ARGUMENT] outputConfig.returnGenerationLogits needs gatherGenerationLogits of the "
               "executor's configuration";
    }
    if (auto error = checkPostProcessor(request, policy)) {
        return error;
    }
    auto const numSamples = numSequences(request);
    if (numSamples > limits.maxBatchSize) {
        return invalid(
            "samplingConfig.numReturnSequences", "in [1, " + std::to_string(limits.maxBatchSize) + "]", numSamples);
    }
    return checkDecoding(request, limits.maxBeamWidth, decoder.vocabSize);
}

std::optional<std::string> checkFits(ActiveRequest const& request, EngineLimits const& limits) {
    auto const needed = request.schedulable(limits.tokensPerBlock);
    auto const tooLarge = [](char const* pool, SizeType32 blocks, SizeType32 available) {
        return "[ERR_INVALID_ARGUMENT] the request needs " + std::to_string(blocks) + " blocks of the " + pool
            + " cache, which has " + std::to_string(available) + ": raise kvCacheConfig.maxTokens or shorten it";
    };
    if (needed.selfBlocks > limits.numSelfBlocks) {
        return tooLarge("self-attention", needed.selfBlocks, limits.numSelfBlocks);
    }
    if (needed.crossBlocks > limits.numCrossBlocks) {
        return tooLarge("cross-attention", needed.crossBlocks, limits.numCrossBlocks);
    }
    return std::nullopt;
}

} // namespace embedded
