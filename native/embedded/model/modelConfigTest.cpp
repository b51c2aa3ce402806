#include "model/modelConfig.h"

#include "testing/testData.h"

#include <cmath>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace embedded {
namespace {

using nlohmann::json;
using testing::errorOf;
using testing::TemporaryFolder;

/// Every field that NVIDIA's converter writes for T5 and that matters here.
json decoderJson() {
    return {{"architecture", "DecoderModel"}, {"dtype", "float32"}, {"num_hidden_layers", 2},
        {"num_attention_heads", 4}, {"head_size", 16}, {"hidden_size", 32}, {"intermediate_size", 64},
        {"vocab_size", 101}, {"position_embedding_type", "relative"}, {"has_position_embedding", false},
        {"num_buckets", 8}, {"max_distance", 20}, {"hidden_act", "gelu_new"}, {"gated_act", true}, {"mlp_type", 1},
        {"layernorm_type", 1}, {"layernorm_position", 0}, {"norm_epsilon", 1e-6}, {"has_model_final_layernorm", true},
        {"has_embedding_layernorm", false}, {"has_embedding_scale", false}, {"has_attention_qkvo_bias", false},
        {"has_mlp_bias", false}, {"q_scaling", 0.25}, {"rescale_before_lm_head", true}, {"encoder_hidden_size", 32},
        {"quantization", {{"quant_algo", nullptr}, {"kv_cache_quant_algo", nullptr}}},
        {"mapping", {{"world_size", 1}, {"tp_size", 1}, {"pp_size", 1}}}};
}

ModelConfig read(json const& content, Component component = Component::kDECODER) {
    TemporaryFolder const folder;
    return readModelConfig(folder.write("config.json", content.dump()), component);
}

TEST(ModelConfig, ReadsT5) {
    auto const config = read(decoderJson());
    EXPECT_EQ(config.numLayers, 2);
    EXPECT_EQ(config.attentionSize(), 64);
    EXPECT_EQ(config.activation, compute::Activation::kGELU_TANH);
    EXPECT_TRUE(config.gatedActivation);
    // T5 divides by q_scaling * sqrt(head_size) = 1: no scale at all.
    EXPECT_FLOAT_EQ(config.attentionScale, 1.0F);
    EXPECT_FLOAT_EQ(config.headScale, 1.0F / std::sqrt(32.0F));
    EXPECT_EQ(config.normalization, Normalization::kRMS);
    EXPECT_FALSE(config.normalizesAfter);
    EXPECT_TRUE(config.hasFinalNorm);
    EXPECT_EQ(config.numBuckets, 8);
    EXPECT_EQ(config.maxPositions, 0) << "relative positions have no end";
    EXPECT_EQ(config.embeddingScale, 1.0F);
    EXPECT_FALSE(config.hasEmbeddingNorm || config.hasAttentionBias || config.hasMlpBias || config.hasHeadBias);
    EXPECT_EQ(config.tensorParallelism * config.pipelineParallelism, 1);
}

/// Every field that NVIDIA's converter writes for BART's decoder and that matters here, and has_lm_head_bias.
json bartJson() {
    return {{"architecture", "DecoderModel"}, {"dtype", "float16"}, {"num_hidden_layers", 3},
        {"num_attention_heads", 4}, {"head_size", 8}, {"hidden_size", 32}, {"intermediate_size", 48},
        {"vocab_size", 101}, {"max_position_embeddings", 64}, {"position_embedding_type", "learned_absolute"},
        {"has_position_embedding", true}, {"relative_attention", false}, {"num_buckets", 0}, {"max_distance", 0},
        {"hidden_act", "gelu"}, {"gated_act", false}, {"mlp_type", 0}, {"layernorm_type", 0}, {"layernorm_position", 1},
        {"norm_epsilon", 1e-5}, {"has_model_final_layernorm", false}, {"has_embedding_layernorm", true},
        {"has_embedding_scale", false}, {"has_attention_qkvo_bias", true}, {"has_mlp_bias", true}, {"q_scaling", 1.0},
        {"rescale_before_lm_head", false}, {"has_lm_head_bias", true}, {"type_vocab_size", nullptr},
        {"residual_scaling", 1.0}, {"encoder_hidden_size", 32}};
}

TEST(ModelConfig, ReadsBart) {
    auto const config = read(bartJson());
    EXPECT_EQ(config.normalization, Normalization::kLAYER);
    EXPECT_TRUE(config.normalizesAfter);
    EXPECT_FALSE(config.hasFinalNorm);
    EXPECT_TRUE(config.hasEmbeddingNorm && config.hasAttentionBias && config.hasMlpBias && config.hasHeadBias);
    EXPECT_EQ(config.activation, compute::Activation::kGELU);
    EXPECT_EQ(config.maxPositions, 64);
    EXPECT_EQ(config.numBuckets, 0);
    EXPECT_EQ(config.embeddingScale, 1.0F);
    EXPECT_FLOAT_EQ(config.attentionScale, 1.0F / std::sqrt(8.0F));
    EXPECT_EQ(config.headScale, 1.0F);
}

TEST(ModelConfig, ReadsMbart) {
    auto content = bartJson();
    content.update({{"layernorm_position", 0}, {"has_model_final_layernorm", true}, {"has_embedding_scale", true},
        {"hidden_act", "relu"}});
    auto const config = read(content);
    EXPECT_FALSE(config.normalizesAfter);
    EXPECT_TRUE(config.hasFinalNorm);
    EXPECT_FLOAT_EQ(config.embeddingScale, std::sqrt(32.0F));
    EXPECT_EQ(config.activation, compute::Activation::kRELU);
}

/// FairSeq without positions, without scale, one layer; fields that the converter leaves out have defaults.
TEST(ModelConfig, ReadsFairseqVariants) {
    auto content = bartJson();
    content.update({{"has_position_embedding", false}, {"has_embedding_layernorm", false}, {"num_hidden_layers", 1}});
    for (auto const* field : {"has_embedding_scale", "rescale_before_lm_head", "has_lm_head_bias", "head_size",
             "gated_act", "mlp_type", "layernorm_type", "max_position_embeddings"}) {
        content.erase(field);
    }
    auto const config = read(content);
    EXPECT_EQ(config.maxPositions, 0);
    EXPECT_EQ(config.numBuckets, 0);
    EXPECT_EQ(config.headSize, 8);
    EXPECT_FALSE(config.hasEmbeddingNorm || config.hasHeadBias || config.gatedActivation);
    EXPECT_EQ(config.normalization, Normalization::kLAYER);
}

TEST(ModelConfig, EveryTanhGeluIsOne) {
    for (auto const* name : {"gelu_new", "gelu_fast", "gelu_pytorch_tanh"}) {
        auto content = bartJson();
        content["hidden_act"] = name;
        EXPECT_EQ(read(content).activation, compute::Activation::kGELU_TANH) << name;
    }
}

TEST(ModelConfig, ReadsMappingAndQuantization) {
    auto content = bartJson();
    content["mapping"] = {{"world_size", 6}, {"tp_size", 2}, {"pp_size", 3}};
    content["quantization"] = {{"quant_algo", "FP8"}, {"kv_cache_quant_algo", "FP8"}};
    auto const config = read(content);
    EXPECT_EQ(config.tensorParallelism, 2);
    EXPECT_EQ(config.pipelineParallelism, 3);
    EXPECT_EQ(config.quantization, Quantization::kFP8);
    content["quantization"]["quant_algo"] = "W8A16";
    EXPECT_EQ(read(content).quantization, Quantization::kINT8_WEIGHT_ONLY);
}

TEST(ModelConfig, FalseEpsilonIsZero) {
    auto content = decoderJson();
    content["norm_epsilon"] = false;
    EXPECT_EQ(read(content).normEpsilon, 0.0F);
}

struct BadField {
    char const* field;
    json value;
    char const* message;
};

class BadModelConfig : public ::testing::TestWithParam<BadField> {};

TEST_P(BadModelConfig, NamesFieldAndValue) {
    auto content = decoderJson();
    content[GetParam().field] = GetParam().value;
    auto const error = errorOf([&] { (void)read(content); });
    EXPECT_NE(error.find(std::string("config.json, ") + GetParam().field), std::string::npos) << error;
    EXPECT_NE(error.find(GetParam().message), std::string::npos) << error;
}

INSTANTIATE_TEST_SUITE_P(All, BadModelConfig,
    ::testing::Values(BadField{"num_hidden_layers", nullptr, "is missing"},
        BadField{"num_hidden_layers", 0, "must be an integer in [1, 16777216], is 0"},
        BadField{"hidden_size", "32", "must be an integer"}, BadField{"hidden_size", 1e300, "must be an integer"},
        BadField{"vocab_size", -3, "is -3"}, BadField{"dtype", "float8", "must be one of float32, float16, bfloat16"},
        BadField{
            "hidden_act", "tanh", "must be one of relu, gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, silu, is tanh"},
        BadField{"gated_act", 1, "must be true, is 1"}, BadField{"norm_epsilon", -1, "must be a number in [0, 1)"},
        BadField{"norm_epsilon", true, "must be a number"}, BadField{"q_scaling", 0, "must be a number above 0"},
        BadField{"max_distance", 4, "must be an integer in [5"},
        BadField{"architecture", "EncoderModel", "must be \"DecoderModel\""},
        BadField{"position_embedding_type", "alibi", "must be one of relative, learned_absolute, is alibi"},
        BadField{"relative_attention", false, "must be true"}, BadField{"num_buckets", 1, "must be an integer in [2"},
        BadField{"has_position_embedding", 1, "must be a boolean"},
        BadField{"layernorm_type", 2, "must be in [0, 1], is 2"}, BadField{"layernorm_position", 3, "is 3"},
        BadField{"mlp_type", 2, "must be in [0, 1]"}, BadField{"gated_act", false, "must be true, is false"},
        BadField{"type_vocab_size", 2, "must be null, is 2"}, BadField{"residual_scaling", 0.5, "must be 1.0, is 0.5"},
        BadField{"num_key_value_heads", 2, "must be 4, is 2"}, BadField{"skip_cross_kv", true, "must be false"},
        BadField{"skip_cross_qkv", true, "must be false"}, BadField{"hidden_size", nullptr, "is missing"}),
    [](auto const& test) { return std::string(test.param.field) + std::to_string(test.index); });

struct BadNestedField {
    json content;
    char const* message;
};

class BadMapping : public ::testing::TestWithParam<BadNestedField> {};

TEST_P(BadMapping, NamesFieldAndValue) {
    auto content = decoderJson();
    content.update(GetParam().content);
    auto const error = errorOf([&] { (void)read(content); });
    EXPECT_NE(error.find(GetParam().message), std::string::npos) << error;
}

INSTANTIATE_TEST_SUITE_P(All, BadMapping,
    ::testing::Values(
        BadNestedField{{{"mapping", {{"tp_size", 3}}}}, "mapping.tp_size: must divide num_attention_heads 4, is 3"},
        BadNestedField{{{"mapping", {{"tp_size", 2}}}, {"intermediate_size", 63}}, "must divide intermediate_size 63"},
        BadNestedField{{{"mapping", {{"pp_size", 4}}}}, "mapping.pp_size: must divide num_hidden_layers 2, is 4"},
        BadNestedField{{{"mapping", {{"tp_size", 0}}}}, "mapping.tp_size: must be an integer in [1"},
        BadNestedField{{{"mapping", {{"world_size", 4}, {"tp_size", 2}}}}, "world_size: must be tp_size * pp_size = 2"},
        BadNestedField{{{"mapping", {{"cp_size", 2}}}}, "mapping.cp_size: must be 1, is 2"},
        BadNestedField{{{"quantization", {{"quant_algo", "W4A16_AWQ"}}}},
            "quantization.quant_algo: must be one of FP8, W8A16, is W4A16_AWQ"},
        BadNestedField{
            {{"has_model_final_layernorm", false}}, "rescale_before_lm_head: needs has_model_final_layernorm"},
        BadNestedField{{{"head_size", nullptr}, {"hidden_size", 30}}, "must divide hidden_size 30, is 4"}));

TEST(ModelConfig, BrokenJsonNamesTheFile) {
    TemporaryFolder const folder;
    auto const path = folder.write("config.json", "{");
    EXPECT_EQ(errorOf([&] { (void)readModelConfig(path, Component::kENCODER); }),
        "[ERR_MODEL_INVALID] " + path.string() + ": not a JSON object");
}

} // namespace
} // namespace embedded
