#include "model/modelConfig.h"

#include "model/modelError.h"

#include <array>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace embedded {

namespace {

using compute::Activation;
using nlohmann::json;
using tensorrt_llm::executor::DataType;

constexpr std::int64_t kMAX_SIZE = 1 << 24;

template <typename T> struct Named {
    std::string_view name;
    T value;
};

constexpr std::array kDTYPES{Named<DataType>{"float32", DataType::kFP32}, Named<DataType>{"float16", DataType::kFP16},
    Named<DataType>{"bfloat16", DataType::kBF16}};

/// NVIDIA's runtime maps every GELU to the tanh form.
constexpr std::array kACTIVATIONS{Named<Activation>{"relu", Activation::kRELU},
    Named<Activation>{"gelu_new", Activation::kGELU_TANH}, Named<Activation>{"silu", Activation::kSILU}};

/// Typed access to the fields of one config.json.
class ConfigReader {
public:
    explicit ConfigReader(std::filesystem::path const& file)
        : mFile(file) {
        std::ifstream stream(file);
        if (!stream) {
            throw ModelError(file, "", "cannot be opened");
        }
        mJson = json::parse(stream, nullptr, false);
        if (!mJson.is_object()) {
            throw ModelError(file, "", "not a JSON object");
        }
    }

    [[nodiscard]] SizeType32 size(char const* field, std::int64_t least = 1) const {
        auto const& value = at(field);
        if (!value.is_number_integer() || value.get<std::int64_t>() < least || value.get<std::int64_t>() > kMAX_SIZE) {
            throw error(field,
                "must be an integer in [" + std::to_string(least) + ", " + std::to_string(kMAX_SIZE) + "], is "
                    + value.dump());
        }
        return value.get<SizeType32>();
    }

    [[nodiscard]] SizeType32 sizeOr(char const* field, SizeType32 fallback) const {
        return has(field) ? size(field) : fallback;
    }

    [[nodiscard]] bool flag(char const* field, bool fallback) const {
        if (!has(field)) {
            return fallback;
        }
        if (!at(field).is_boolean()) {
            throw error(field, "must be a boolean, is " + at(field).dump());
        }
        return at(field).get<bool>();
    }

    [[nodiscard]] float positive(char const* field) const {
        auto const& value = at(field);
        if (!value.is_number() || !(value.get<double>() > 0)) {
            throw error(field, "must be a number above 0, is " + value.dump());
        }
        return value.get<float>();
    }

    [[nodiscard]] float epsilon() const {
        constexpr char const* kFIELD = "norm_epsilon";
        auto const& value = at(kFIELD);
        if (value.is_boolean() && !value.get<bool>()) {
            return 0.0F;
        }
        if (!value.is_number() || value.get<double>() < 0 || value.get<double>() >= 1) {
            throw error(kFIELD, "must be a number in [0, 1) or false, is " + value.dump());
        }
        return value.get<float>();
    }

    [[nodiscard]] std::string text(char const* field) const {
        if (!at(field).is_string()) {
            throw error(field, "must be a string, is " + at(field).dump());
        }
        return at(field).get<std::string>();
    }

    template <typename T, std::size_t N>
    [[nodiscard]] T oneOf(char const* field, std::array<Named<T>, N> const& choices) const {
        auto const value = text(field);
        std::string names;
        for (auto const& choice : choices) {
            if (choice.name == value) {
                return choice.value;
            }
            names += (names.empty() ? "" : ", ") + std::string(choice.name);
        }
        throw error(field, "must be one of " + names + ", is " + value);
    }

    /// Refuses a model whose field (or, if absent, the loader's default) differs from what this runtime computes.
    void require(char const* field, json const& wanted, json const& fallback) const {
        json const& value = has(field) ? mJson[field] : fallback;
        if (value != wanted) {
            throw UnsupportedModelError(mFile, field, "must be " + wanted.dump() + ", is " + value.dump());
        }
    }

    /// Quantised and multi-rank checkpoints.
    void requirePlainWeights() const {
        if (has("quantization") && mJson["quantization"].is_object()) {
            for (auto const& [key, value] : mJson["quantization"].items()) {
                if (key.ends_with("quant_algo") && !value.is_null()) {
                    throw UnsupportedModelError(mFile, "quantization." + key, "must be null, is " + value.dump());
                }
            }
        }
        if (has("mapping") && mJson["mapping"].value("world_size", 1) != 1) {
            throw UnsupportedModelError(mFile, "mapping.world_size", "must be 1");
        }
    }

private:
    [[nodiscard]] bool has(char const* field) const { return mJson.contains(field) && !mJson[field].is_null(); }

    [[nodiscard]] json const& at(char const* field) const {
        if (!has(field)) {
            throw error(field, "is missing");
        }
        return mJson[field];
    }

    [[nodiscard]] ModelError error(char const* field, std::string const& what) const { return {mFile, field, what}; }

    std::filesystem::path const& mFile;
    json mJson;
};

void requireT5(ConfigReader const& reader, Component component) {
    reader.require("architecture", component == Component::kENCODER ? "EncoderModel" : "DecoderModel", nullptr);
    reader.require("position_embedding_type", "relative", nullptr);
    reader.require("layernorm_type", 1, nullptr);
    reader.require("layernorm_position", 0, nullptr);
    reader.require("has_model_final_layernorm", true, nullptr);
    for (auto const* field : {"has_position_embedding", "has_embedding_layernorm", "has_embedding_scale",
             "has_attention_qkvo_bias", "has_mlp_bias", "has_lm_head_bias", "skip_cross_kv"}) {
        reader.require(field, false, false);
    }
    reader.requirePlainWeights();
}

} // namespace

ModelConfig readModelConfig(std::filesystem::path const& file, Component component) {
    ConfigReader const reader(file);
    requireT5(reader, component);
    ModelConfig config{};
    config.component = component;
    config.dtype = reader.oneOf("dtype", kDTYPES);
    config.numLayers = reader.size("num_hidden_layers");
    config.numHeads = reader.size("num_attention_heads");
    config.hiddenSize = reader.size("hidden_size");
    config.headSize = reader.sizeOr("head_size", config.hiddenSize / config.numHeads);
    config.ffnSize = reader.size("intermediate_size");
    config.vocabSize = reader.size("vocab_size", 2);
    config.normEpsilon = reader.epsilon();
    config.activation = reader.oneOf("hidden_act", kACTIVATIONS);
    config.gatedActivation = reader.flag("gated_act", false);
    config.numBuckets = reader.size("num_buckets", component == Component::kENCODER ? 4 : 2);
    config.maxDistance = reader.size("max_distance", config.numBuckets / 2 + 1);
    config.attentionScale = 1.0F / (reader.positive("q_scaling") * std::sqrt(static_cast<float>(config.headSize)));
    config.headScale =
        reader.flag("rescale_before_lm_head", false) ? 1.0F / std::sqrt(static_cast<float>(config.hiddenSize)) : 1.0F;
    config.implicitRelativeBias = reader.flag("use_implicit_relative_attention", false);
    config.encoderHiddenSize = reader.sizeOr("encoder_hidden_size", config.hiddenSize);
    return config;
}

} // namespace embedded
