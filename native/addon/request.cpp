#include "request.h"

#include "fields.h"
#include "loraConfig.h"
#include "tensorReader.h"

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

namespace tle = tensorrt_llm::executor;

namespace trtllm_node {

template <> struct Reader<tle::SamplingConfig> {
    using Config = tle::SamplingConfig;

    static constexpr std::tuple kFIELDS{
        Field{"beamWidth", &Config::setBeamWidth},
        Field{"topK", &Config::setTopK},
        Field{"topP", &Config::setTopP},
        Field{"topPMin", &Config::setTopPMin},
        Field{"topPResetIds", &Config::setTopPResetIds},
        Field{"topPDecay", &Config::setTopPDecay},
        Field{"seed", &Config::setSeed},
        Field{"temperature", &Config::setTemperature},
        Field{"minTokens", &Config::setMinTokens},
        Field{"beamSearchDiversityRate", &Config::setBeamSearchDiversityRate},
        Field{"repetitionPenalty", &Config::setRepetitionPenalty},
        Field{"presencePenalty", &Config::setPresencePenalty},
        Field{"frequencyPenalty", &Config::setFrequencyPenalty},
        Field{"promptIgnoreLength", &Config::setPromptIgnoreLength},
        Field{"lengthPenalty", &Config::setLengthPenalty},
        Field{"earlyStopping", &Config::setEarlyStopping},
        Field{"noRepeatNgramSize", &Config::setNoRepeatNgramSize},
        Field{"numReturnSequences", &Config::setNumReturnSequences},
        Field{"minP", &Config::setMinP},
    };

    static Config read(Napi::Value const& value, std::string const& path) {
        Config config;
        readFields(requireObject(value, path), path, config, kFIELDS);
        return config;
    }
};

template <> struct Reader<tle::OutputConfig> {
    using Config = tle::OutputConfig;

    static constexpr std::tuple kFIELDS{
        Field{"returnLogProbs", &Config::returnLogProbs},
        Field{"returnContextLogits", &Config::returnContextLogits},
        Field{"returnGenerationLogits", &Config::returnGenerationLogits},
        Field{"returnEncoderOutput", &Config::returnEncoderOutput},
        Field{"returnPerfMetrics", &Config::returnPerfMetrics},
        Field{"excludeInputFromOutput", &Config::excludeInputFromOutput},
    };

    static Config read(Napi::Value const& value, std::string const& path) {
        Config config;
        readFields(requireObject(value, path), path, config, kFIELDS);
        return config;
    }
};

namespace {

enum class Pooling { kMEAN };

/// RawRequestExtras as it crosses.
struct RawExtras {
    std::list<tle::VecTokens> allowedSequences;
    std::optional<tle::TokenIdType> forcedFirstTokenId;
    std::optional<tle::TokenIdType> forcedLastTokenId;
    tle::VecTokens suppressedFirstTokenIds;
    std::optional<double> logitsProcessor;
    tle::SizeType32 scoreLength = 0;
    std::optional<Pooling> poolEncoderOutput;
};

} // namespace

template <> struct EnumNames<Pooling> {
    static constexpr std::array<std::pair<char const*, Pooling>, 1> kNAMES{{{"mean", Pooling::kMEAN}}};
};

template <> struct Reader<RawExtras> {
    static constexpr std::tuple kFIELDS{
        Field{"allowedSequences", &RawExtras::allowedSequences},
        Field{"forcedFirstTokenId", &RawExtras::forcedFirstTokenId},
        Field{"forcedLastTokenId", &RawExtras::forcedLastTokenId},
        Field{"suppressedFirstTokenIds", &RawExtras::suppressedFirstTokenIds},
        Field{"logitsProcessor", &RawExtras::logitsProcessor},
        Field{"scoreLength", &RawExtras::scoreLength, kPOSITIVE},
        Field{"poolEncoderOutput", &RawExtras::poolEncoderOutput},
    };

    static RawExtras read(Napi::Value const& value, std::string const& path) {
        RawExtras extras;
        readFields(requireObject(value, path), path, extras, kFIELDS);
        return extras;
    }
};

namespace {

std::optional<tle::TokenIdType> endIdOf(tle::Request const& request) {
    auto const endId = request.getEndId();
    return endId.value_or(-1) < 0 ? std::nullopt : endId;
}

/// The last `length` tokens of the decoder prompt.
tle::VecTokens scoreTarget(tle::VecTokens const& prompt, tle::SizeType32 length) {
    if (static_cast<std::size_t>(length) >= prompt.size()) {
        throw ArgumentError("extras.scoreLength must be less than the length of inputTokenIds, "
            + std::to_string(prompt.size()) + ", got " + std::to_string(length));
    }
    return {prompt.end() - length, prompt.end()};
}

RequestExtras toExtras(RawExtras const& raw, tle::Request const& request) {
    auto const prompt = request.getInputTokenIds();
    RequestExtras extras;
    extras.logitsProcessor = raw.logitsProcessor;
    extras.meanEncoderOutput = raw.poolEncoderOutput.has_value();
    extras.promptLength = prompt.size();
    extras.endId = endIdOf(request);
    extras.scoreTarget = scoreTarget(prompt, raw.scoreLength);
    ConstraintOptions const options{raw.allowedSequences, raw.forcedFirstTokenId, raw.forcedLastTokenId,
        raw.suppressedFirstTokenIds, extras.endId, static_cast<std::size_t>(request.getMaxTokens())};
    if (options.any()) {
        extras.constraints.emplace(options);
    }
    return extras;
}

/// Several samples are children with ids of their own, which the client id leads back to their request.
bool hasChildren(tle::SamplingConfig const& config) {
    return config.getBeamWidth() == 1 && config.getNumReturnSequences().value_or(1) > 1;
}

} // namespace

IncomingRequest readRequest(Napi::Value const& value) {
    using Request = tle::Request;
    static constexpr std::tuple kFIELDS{
        AlreadyRead{"inputTokenIds"},
        AlreadyRead{"maxTokens"},
        Field{"encoderInputTokenIds", &Request::setEncoderInputTokenIds},
        Field{"encoderInputFeatures", &Request::setEncoderInputFeatures},
        Field{"encoderOutputLength", &Request::setEncoderOutputLength, kPOSITIVE},
        Field{"crossAttentionMask", &Request::setCrossAttentionMask},
        Field{"languageAdapterUid", &Request::setLanguageAdapterUid},
        Field{"streaming", &Request::setStreaming},
        Field{"returnAllGeneratedTokens", &Request::setReturnAllGeneratedTokens},
        Field{"endId", &Request::setEndId},
        Field{"padId", &Request::setPadId},
        Field{"priority", &Request::setPriority},
        Field{"samplingConfig", &Request::setSamplingConfig},
        Field{"badWords", &Request::setBadWords},
        Field{"stopWords", &Request::setStopWords},
        Field{"embeddingBias", &Request::setEmbeddingBias},
        Field{"loraConfig", &Request::setLoraConfig},
        Field{"outputConfig", &Request::setOutputConfig},
        AlreadyRead{"extras"},
    };
    Napi::Object const object = requireObject(value, "the request");
    // What has no setter.
    Request request(readValue<tle::VecTokens>(object.Get("inputTokenIds"), "inputTokenIds"),
        readValue<tle::SizeType32>(object.Get("maxTokens"), "maxTokens", kPOSITIVE));
    readFields(object, "", request, kFIELDS);
    Napi::Value const extras = object.Get("extras");
    if (extras.IsUndefined() && !hasChildren(request.getSamplingConfig())) {
        return {std::move(request), nullptr};
    }
    auto const raw = extras.IsUndefined() ? RawExtras{} : readValue<RawExtras>(extras, "extras");
    auto known = std::make_shared<RequestExtras const>(toExtras(raw, request));
    if (known->changesLogits()) {
        request.setLogitsPostProcessorName(Request::kBatchedPostProcessorName);
    }
    return {std::move(request), std::move(known)};
}

} // namespace trtllm_node
