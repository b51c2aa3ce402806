#include "config.h"

#include "fields.h"

#include <array>
#include <string>
#include <tuple>
#include <utility>

namespace tle = tensorrt_llm::executor;

namespace trtllm_node {

template <> struct EnumNames<tle::CapacitySchedulerPolicy> {
    static constexpr std::array<std::pair<char const*, tle::CapacitySchedulerPolicy>, 3> kNAMES{{
        {"max-utilization", tle::CapacitySchedulerPolicy::kMAX_UTILIZATION},
        {"guaranteed-no-evict", tle::CapacitySchedulerPolicy::kGUARANTEED_NO_EVICT},
        {"static-batch", tle::CapacitySchedulerPolicy::kSTATIC_BATCH},
    }};
};

template <> struct EnumNames<tle::DecodingMode> {
    static constexpr std::array<std::pair<char const*, tle::DecodingMode>, 5> kNAMES{{
        {"auto", tle::DecodingMode::Auto()},
        {"top-k", tle::DecodingMode::TopK()},
        {"top-p", tle::DecodingMode::TopP()},
        {"top-k-top-p", tle::DecodingMode::TopKTopP()},
        {"beam-search", tle::DecodingMode::BeamSearch()},
    }};
};

template <> struct EnumNames<tle::ModelType> {
    static constexpr std::array<std::pair<char const*, tle::ModelType>, 2> kNAMES{{
        {"encoder-decoder", tle::ModelType::kENCODER_DECODER},
        {"decoder-only", tle::ModelType::kDECODER_ONLY},
    }};
};

template <> struct Reader<tle::DecodingConfig> {
    using Config = tle::DecodingConfig;

    static constexpr std::tuple kFIELDS{
        Field{"decodingMode", &Config::setDecodingMode},
    };

    static Config read(Napi::Value const& value, std::string const& path) {
        Config config;
        readFields(requireObject(value, path), path, config, kFIELDS);
        return config;
    }
};

template <> struct Reader<tle::ExtendedRuntimePerfKnobConfig> {
    using Config = tle::ExtendedRuntimePerfKnobConfig;

    static constexpr std::tuple kFIELDS{
        Field{"multiBlockMode", &Config::setMultiBlockMode},
        Field{"enableContextFMHAFP32Acc", &Config::setEnableContextFMHAFP32Acc},
        Field{"cudaGraphMode", &Config::setCudaGraphMode},
        Field{"cudaGraphCacheSize", &Config::setCudaGraphCacheSize, Range{0, kPOSITIVE.max}},
    };

    static Config read(Napi::Value const& value, std::string const& path) {
        Config config;
        readFields(requireObject(value, path), path, config, kFIELDS);
        return config;
    }
};

template <> struct Reader<tle::SchedulerConfig> {
    static tle::SchedulerConfig read(Napi::Value const& value, std::string const& path) {
        return construct<tle::SchedulerConfig>(requireObject(value, path), path,
            Parameter{"capacitySchedulerPolicy", tle::CapacitySchedulerPolicy::kGUARANTEED_NO_EVICT});
    }
};

template <> struct Reader<tle::KvCacheConfig> {
    using Config = tle::KvCacheConfig;

    static constexpr std::tuple kFIELDS{
        Field{"enableBlockReuse", &Config::setEnableBlockReuse},
        Field{"maxTokens", &Config::setMaxTokens, kPOSITIVE},
        Field{"freeGpuMemoryFraction", &Config::setFreeGpuMemoryFraction, kFRACTION},
        Field{"crossKvCacheFraction", &Config::setCrossKvCacheFraction, kFRACTION},
        Field{"hostCacheSize", &Config::setHostCacheSize},
        Field{"useUvm", &Config::setUseUvm},
        Field{"maxGpuTotalBytes", &Config::setMaxGpuTotalBytes},
    };

    static Config read(Napi::Value const& value, std::string const& path) {
        Config config;
        readFields(requireObject(value, path), path, config, kFIELDS);
        return config;
    }
};

template <> struct Reader<tle::PeftCacheConfig> {
    using Config = tle::PeftCacheConfig;

    static Config read(Napi::Value const& value, std::string const& path) {
        Config const defaults;
        constexpr Range kCOUNT{0, kPOSITIVE.max};
        return construct<Config>(requireObject(value, path), path,
            Parameter{"numHostModuleLayer", defaults.getNumHostModuleLayer(), kCOUNT},
            Parameter{"numDeviceModuleLayer", defaults.getNumDeviceModuleLayer(), kCOUNT},
            Parameter{"optimalAdapterSize", defaults.getOptimalAdapterSize(), kPOSITIVE},
            Parameter{"maxAdapterSize", defaults.getMaxAdapterSize(), kPOSITIVE},
            Parameter{"numPutWorkers", defaults.getNumPutWorkers(), kPOSITIVE},
            Parameter{"numEnsureWorkers", defaults.getNumEnsureWorkers(), kPOSITIVE},
            Parameter{"numCopyStreams", defaults.getNumCopyStreams(), kPOSITIVE},
            Parameter{"maxPagesPerBlockHost", defaults.getMaxPagesPerBlockHost(), kPOSITIVE},
            Parameter{"maxPagesPerBlockDevice", defaults.getMaxPagesPerBlockDevice(), kPOSITIVE},
            Parameter{"deviceCachePercent", defaults.getDeviceCachePercent(), kFRACTION},
            Parameter{"hostCacheSize", defaults.getHostCacheSize()});
    }
};

template <> struct Reader<tle::ParallelConfig> {
    using Config = tle::ParallelConfig;

    static constexpr std::tuple kFIELDS{
        Field{"deviceIds", &Config::setDeviceIds},
        Field{"participantIds", &Config::setParticipantIds},
    };

    static Config read(Napi::Value const& value, std::string const& path) {
        Config config; // in leader mode: orchestrators cannot run encoder-decoder models
        readFields(requireObject(value, path), path, config, kFIELDS);
        return config;
    }
};

/// Paths start below the configuration: users know "kvCacheConfig.maxTokens", not the object around it.
template <> struct Reader<tle::ExecutorConfig> {
    using Config = tle::ExecutorConfig;

    static constexpr std::tuple kFIELDS{
        Field{"maxBatchSize", &Config::setMaxBatchSize, kPOSITIVE},
        Field{"maxNumTokens", &Config::setMaxNumTokens, kPOSITIVE},
        Field{"maxBeamWidth", &Config::setMaxBeamWidth, kPOSITIVE},
        Field{"maxQueueSize", &Config::setMaxQueueSize},
        Field{"iterStatsMaxIterations", &Config::setIterStatsMaxIterations},
        Field{"requestStatsMaxIterations", &Config::setRequestStatsMaxIterations},
        Field{"normalizeLogProbs", &Config::setNormalizeLogProbs},
        Field{"enableChunkedContext", &Config::setEnableChunkedContext},
        Field{"gatherGenerationLogits", &Config::setGatherGenerationLogits},
        Field{"schedulerConfig", &Config::setSchedulerConfig},
        Field{"kvCacheConfig", &Config::setKvCacheConfig},
        Field{"peftCacheConfig", &Config::setPeftCacheConfig},
        Field{"parallelConfig", &Config::setParallelConfig},
        Field{"decodingConfig", &Config::setDecodingConfig},
        Field{"gpuWeightsPercent", &Config::setGpuWeightsPercent, Range{0, 1}},
        Field{"useGpuDirectStorage", &Config::setUseGpuDirectStorage},
        Field{"extendedRuntimePerfKnobConfig", &Config::setExtendedRuntimePerfKnobConfig},
        Field{"maxSeqIdleMicroseconds", &Config::setMaxSeqIdleMicroseconds},
        Field{"enableTrtOverlap", &Config::setEnableTrtOverlap},
    };

    static Config read(Napi::Value const& value, std::string const& path) {
        Config config;
        readFields(requireObject(value, path), "", config, kFIELDS);
        return config;
    }
};

template <> struct Reader<RuntimeLimits> {
    static constexpr std::tuple kFIELDS{
        required("maxBatchSize", &RuntimeLimits::maxBatchSize),
        required("maxNumTokens", &RuntimeLimits::maxNumTokens),
        required("maxBeamWidth", &RuntimeLimits::maxBeamWidth),
        required("maxInputLength", &RuntimeLimits::maxInputLength),
        required("maxSequenceLength", &RuntimeLimits::maxSequenceLength),
        required("encoderVocabSize", &RuntimeLimits::encoderVocabSize),
        required("decoderVocabSize", &RuntimeLimits::decoderVocabSize),
        required("tokensPerBlock", &RuntimeLimits::tokensPerBlock),
        required("encoderTokenBudget", &RuntimeLimits::encoderTokenBudget),
        required("maxAdapterRank", &RuntimeLimits::maxAdapterRank),
    };

    static RuntimeLimits read(Napi::Value const& value, std::string const& path) {
        RuntimeLimits limits;
        readFields(requireObject(value, path), path, limits, kFIELDS);
        return limits;
    }
};

template <> struct Reader<RuntimeOptions> {
    static constexpr std::tuple kFIELDS{
        Field{"threads", &RuntimeOptions::threads, Range{0, kPOSITIVE.max}},
        Field{"weights", &RuntimeOptions::weights},
        Field{"tokensPerBlock", &RuntimeOptions::tokensPerBlock, kPOSITIVE},
        Field{"encoderTokenBudget", &RuntimeOptions::encoderTokenBudget, kPOSITIVE},
        Field{"reuseEncoder", &RuntimeOptions::reuseEncoder},
        Field{"engineLimits", &RuntimeOptions::engineLimits},
    };

    static RuntimeOptions read(Napi::Value const& value, std::string const& path) {
        RuntimeOptions options;
        readFields(requireObject(value, path), "", options, kFIELDS);
        return options;
    }
};

template <> struct Reader<ModelBuffer> {
    static constexpr std::tuple kFIELDS{
        required("engine", &ModelBuffer::engine),
        required("config", &ModelBuffer::config),
    };

    static ModelBuffer read(Napi::Value const& value, std::string const& path) {
        ModelBuffer buffer;
        readFields(requireObject(value, path), path, buffer, kFIELDS);
        return buffer;
    }
};

template <> struct Reader<ModelSource> {
    static constexpr std::tuple kFIELDS{
        Field{"encoderPath", &ModelSource::encoderPath},
        Field{"decoderPath", &ModelSource::decoderPath},
        Field{"encoderBuffer", &ModelSource::encoderBuffer},
        Field{"decoderBuffer", &ModelSource::decoderBuffer},
        Field{"modelType", &ModelSource::modelType},
    };

    static ModelSource read(Napi::Value const& value, std::string const& path) {
        ModelSource source;
        readFields(requireObject(value, path), path, source, kFIELDS);
        bool const hasPath = !source.encoderPath.empty() || !source.decoderPath.empty();
        if (hasPath == source.decoderBuffer.has_value() || (hasPath && source.decoderPath.empty())
            || (hasPath && source.encoderBuffer)) {
            throw ArgumentError(path + " must have either decoderPath or decoderBuffer, and the encoder's likewise");
        }
        return source;
    }
};

EngineOptions readEngineOptions(Napi::Value const& value) {
    static constexpr std::tuple kFIELDS{
        required("model", &EngineOptions::model),
        required("config", &EngineOptions::config),
        required("runtime", &EngineOptions::runtime),
    };
    EngineOptions options;
    readFields(requireObject(value, "options"), "", options, kFIELDS);
    return options;
}

} // namespace trtllm_node
