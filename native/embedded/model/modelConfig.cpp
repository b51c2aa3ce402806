#include "model/modelConfig.h"

#include "model/configReader.h"

#include <array>
#include <cmath>
#include <string>

namespace embedded {

namespace {

using compute::Activation;
using tensorrt_llm::executor::DataType;

constexpr std::array kDTYPES{Named<DataType>{"float32", DataType::kFP32}, Named<DataType>{"float16", DataType::kFP16},
    Named<DataType>{"bfloat16", DataType::kBF16}};

/// As Hugging Face computes them; NVIDIA's runtime takes the tanh form for `gelu` too.
constexpr std::array kACTIVATIONS{Named<Activation>{"relu", Activation::kRELU},
    Named<Activation>{"gelu", Activation::kGELU}, Named<Activation>{"gelu_new", Activation::kGELU_TANH},
    Named<Activation>{"gelu_fast", Activation::kGELU_TANH},
    Named<Activation>{"gelu_pytorch_tanh", Activation::kGELU_TANH}, Named<Activation>{"silu", Activation::kSILU}};

/// NVIDIA's numbers. Next would be GroupNorm and FusedGatedMLP, a form that exists in engines only.
enum LayerNormType { kLAYER_NORM = 0, kRMS_NORM = 1 };
enum LayerNormPosition { kPRE = 0, kPOST = 1 };
enum MlpType { kMLP = 0, kGATED_MLP = 1 };

SizeType32 choiceOf(ConfigReader const& reader, char const* field, SizeType32 last) {
    SizeType32 const value = reader.has(field) ? reader.size(field, 0) : 0;
    if (value > last) {
        throw reader.unsupported(field, "must be in [0, " + std::to_string(last) + "], is " + std::to_string(value));
    }
    return value;
}

void requireDivisor(ConfigReader const& reader, char const* parts, SizeType32 divisor, char const* whole) {
    if (reader.size(whole) % divisor != 0) {
        throw reader.error(parts,
            "must divide " + std::string(whole) + " " + std::to_string(reader.size(whole)) + ", is "
                + std::to_string(divisor));
    }
}

/// What other models of the same architecture have and these do not.
void refuseUnsupported(ConfigReader const& reader, Component component) {
    reader.require("architecture", component == Component::kENCODER ? "EncoderModel" : "DecoderModel", nullptr);
    reader.require("residual_scaling", 1.0, 1.0);
    for (auto const* field : {"has_token_type_embedding", "skip_cross_kv", "skip_cross_qkv"}) {
        reader.require(field, false, false);
    }
    for (auto const* field : {"type_vocab_size", "vocab_sizes", "num_kv_heads_per_layer",
             "num_kv_heads_per_cross_attn_layer", "language_adapter_config"}) {
        reader.requireAbsent(field);
    }
}

void readSizes(ConfigReader const& reader, ModelConfig& config) {
    config.numLayers = reader.size("num_hidden_layers");
    config.numHeads = reader.size("num_attention_heads");
    config.hiddenSize = reader.size("hidden_size");
    if (!reader.has("head_size")) {
        requireDivisor(reader, "num_attention_heads", config.numHeads, "hidden_size");
    }
    config.headSize = reader.sizeOr("head_size", config.hiddenSize / config.numHeads);
    config.ffnSize = reader.size("intermediate_size");
    config.vocabSize = reader.size("vocab_size", 2);
    config.encoderHiddenSize = reader.sizeOr("encoder_hidden_size", config.hiddenSize);
    for (auto const* field : {"num_key_value_heads", "encoder_num_kv_heads"}) {
        reader.require(field, config.numHeads, config.numHeads);
    }
}

void readEmbedding(ConfigReader const& reader, ModelConfig& config) {
    bool const scaled = reader.flag("has_embedding_scale", false);
    config.embeddingScale = scaled ? std::sqrt(static_cast<float>(config.hiddenSize)) : 1.0F;
    config.maxPositions = reader.flag("has_position_embedding", false) ? reader.size("max_position_embeddings") : 0;
    config.hasEmbeddingNorm = reader.flag("has_embedding_layernorm", false);
}

void readNormalization(ConfigReader const& reader, ModelConfig& config) {
    bool const isRms = choiceOf(reader, "layernorm_type", kRMS_NORM) == kRMS_NORM;
    config.normalization = isRms ? Normalization::kRMS : Normalization::kLAYER;
    config.normEpsilon = reader.epsilon("norm_epsilon");
    config.normalizesAfter = choiceOf(reader, "layernorm_position", kPOST) == kPOST;
    config.hasFinalNorm = reader.flag("has_model_final_layernorm", false);
}

void readAttention(ConfigReader const& reader, ModelConfig& config) {
    constexpr std::array kPOSITIONS{Named<bool>{"relative", true}, Named<bool>{"learned_absolute", false}};
    bool const isRelative = reader.oneOf("position_embedding_type", kPOSITIONS);
    reader.require("relative_attention", isRelative, isRelative);
    if (isRelative) {
        config.numBuckets = reader.size("num_buckets", config.component == Component::kENCODER ? 4 : 2);
        config.maxDistance = reader.size("max_distance", config.numBuckets / 2 + 1);
        config.implicitRelativeBias = reader.flag("use_implicit_relative_attention", false);
    }
    config.hasAttentionBias = reader.flag("has_attention_qkvo_bias", false);
    config.attentionScale = 1.0F / (reader.positive("q_scaling") * std::sqrt(static_cast<float>(config.headSize)));
}

void readMlp(ConfigReader const& reader, ModelConfig& config) {
    config.activation = reader.oneOf("hidden_act", kACTIVATIONS);
    config.gatedActivation = choiceOf(reader, "mlp_type", kGATED_MLP) == kGATED_MLP;
    reader.require("gated_act", config.gatedActivation, config.gatedActivation);
    config.hasMlpBias = reader.flag("has_mlp_bias", false);
}

void readHead(ConfigReader const& reader, ModelConfig& config) {
    bool const rescales = reader.flag("rescale_before_lm_head", false);
    if (rescales && !config.hasFinalNorm) {
        throw reader.unsupported("rescale_before_lm_head", "needs has_model_final_layernorm");
    }
    config.headScale = rescales ? 1.0F / std::sqrt(static_cast<float>(config.hiddenSize)) : 1.0F;
    config.hasHeadBias = reader.flag("has_lm_head_bias", false);
}

/// How the key/value cache is quantised (kv_cache_quant_algo) concerns NVIDIA's caches: ours are FP32.
void readQuantization(ConfigReader const& reader, ModelConfig& config) {
    constexpr char const* kFIELD = "quantization.quant_algo";
    constexpr std::array kALGORITHMS{
        Named<Quantization>{"FP8", Quantization::kFP8}, Named<Quantization>{"W8A16", Quantization::kINT8_WEIGHT_ONLY}};
    config.quantization = reader.has(kFIELD) ? reader.oneOf(kFIELD, kALGORITHMS) : Quantization::kNONE;
}

void readMapping(ConfigReader const& reader, ModelConfig& config) {
    config.tensorParallelism = reader.sizeOr("mapping.tp_size", 1);
    config.pipelineParallelism = reader.sizeOr("mapping.pp_size", 1);
    reader.require("mapping.cp_size", 1, 1);
    requireDivisor(reader, "mapping.tp_size", config.tensorParallelism, "num_attention_heads");
    requireDivisor(reader, "mapping.tp_size", config.tensorParallelism, "intermediate_size");
    requireDivisor(reader, "mapping.pp_size", config.pipelineParallelism, "num_hidden_layers");
    std::int64_t const world = std::int64_t{config.tensorParallelism} * config.pipelineParallelism;
    if (reader.has("mapping.world_size") && reader.size("mapping.world_size") != world) {
        throw reader.error("mapping.world_size", "must be tp_size * pp_size = " + std::to_string(world));
    }
}

} // namespace

ModelConfig absentEncoder(ModelConfig const& decoder) {
    ModelConfig config = decoder;
    config.component = Component::kENCODER;
    config.hiddenSize = decoder.encoderHiddenSize;
    config.numLayers = 0;
    config.vocabSize = 0;
    config.maxPositions = 0;
    return config;
}

namespace {

ModelConfig interpret(ConfigReader const& reader, Component component) {
    refuseUnsupported(reader, component);
    ModelConfig config{};
    config.component = component;
    config.dtype = reader.oneOf("dtype", kDTYPES);
    readSizes(reader, config);
    readEmbedding(reader, config);
    readNormalization(reader, config);
    readAttention(reader, config);
    readMlp(reader, config);
    readHead(reader, config);
    readQuantization(reader, config);
    readMapping(reader, config);
    return config;
}

} // namespace

ModelConfig readModelConfig(std::filesystem::path const& file, Component component) {
    return interpret(ConfigReader(file), component);
}

ModelConfig parseModelConfig(std::filesystem::path const& name, std::string const& text, Component component) {
    return interpret(ConfigReader(name, text), component);
}

} // namespace embedded
