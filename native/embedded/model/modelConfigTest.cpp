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
        {"num_buckets", 8}, {"max_distance", 20}, {"hidden_act", "gelu_new"}, {"gated_act", true},
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
        BadField{"hidden_act", "tanh", "must be one of relu, gelu_new, silu, is tanh"},
        BadField{"gated_act", 1, "must be a boolean"}, BadField{"norm_epsilon", -1, "must be a number in [0, 1)"},
        BadField{"norm_epsilon", true, "must be a number"}, BadField{"q_scaling", 0, "must be a number above 0"},
        BadField{"max_distance", 4, "must be an integer in [5"},
        BadField{"architecture", "EncoderModel", "must be \"DecoderModel\""},
        BadField{"position_embedding_type", "learned_absolute", "must be \"relative\""},
        BadField{"has_mlp_bias", true, "must be false"}),
    [](auto const& test) { return std::string(test.param.field) + std::to_string(test.index); });

TEST(ModelConfig, QuantisedAndSplitCheckpointsAreUnsupported) {
    auto quantised = decoderJson();
    quantised["quantization"]["quant_algo"] = "FP8";
    EXPECT_NE(errorOf([&] { (void)read(quantised); }).find("[ERR_UNSUPPORTED]"), std::string::npos);
    auto split = decoderJson();
    split["mapping"]["world_size"] = 2;
    EXPECT_NE(errorOf([&] { (void)read(split); }).find("mapping.world_size"), std::string::npos);
}

TEST(ModelConfig, BrokenJsonNamesTheFile) {
    TemporaryFolder const folder;
    auto const path = folder.write("config.json", "{");
    EXPECT_EQ(errorOf([&] { (void)readModelConfig(path, Component::kENCODER); }),
        "[ERR_MODEL_INVALID] " + path.string() + ": not a JSON object");
}

} // namespace
} // namespace embedded
