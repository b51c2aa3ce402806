#include "request.h"

#include "fields.h"

#include <string>
#include <tuple>

namespace tle = tensorrt_llm::executor;

namespace trtllm_node {

template <> struct Reader<tle::OutputConfig> {
    using Config = tle::OutputConfig;

    static constexpr std::tuple kFIELDS{
        Field{"returnLogProbs", &Config::returnLogProbs},
        Field{"returnPerfMetrics", &Config::returnPerfMetrics},
        Field{"excludeInputFromOutput", &Config::excludeInputFromOutput},
    };

    static Config read(Napi::Value const& value, std::string const& path) {
        Config config;
        readFields(requireObject(value, path), path, config, kFIELDS);
        return config;
    }
};

tle::Request readRequest(Napi::Value const& value) {
    using Request = tle::Request;
    static constexpr std::tuple kFIELDS{
        AlreadyRead{"inputTokenIds"},
        AlreadyRead{"maxTokens"},
        required("encoderInputTokenIds", &Request::setEncoderInputTokenIds),
        Field{"streaming", &Request::setStreaming},
        Field{"endId", &Request::setEndId},
        Field{"padId", &Request::setPadId},
        Field{"priority", &Request::setPriority},
        Field{"outputConfig", &Request::setOutputConfig},
    };
    Napi::Object const object = requireObject(value, "the request");
    // What has no setter.
    Request request(readValue<tle::VecTokens>(object.Get("inputTokenIds"), "inputTokenIds"),
        readValue<tle::SizeType32>(object.Get("maxTokens"), "maxTokens", kPOSITIVE));
    readFields(object, "", request, kFIELDS);
    return request;
}

} // namespace trtllm_node
