#include "model/checkpoint.h"

#include "testing/testCheckpoint.h"
#include "testing/testData.h"

#include <cstring>
#include <gtest/gtest.h>

namespace embedded {
namespace {

using testing::divide;
using testing::errorOf;
using testing::floatTensor;
using testing::randomBart;
using testing::serialize;
using testing::StoredTensors;
using testing::TemporaryFolder;
using testing::TestCheckpoint;

struct Opened {
    ModelConfig config;
    Checkpoint checkpoint;
};

Opened open(TemporaryFolder const& folder, Component component = Component::kDECODER) {
    auto const config = readModelConfig(folder.path() / "config.json", component);
    return {config, Checkpoint(folder.path(), config)};
}

void write(TemporaryFolder const& folder, nlohmann::json const& config, std::vector<StoredTensors> const& files) {
    folder.write("config.json", config.dump());
    for (std::size_t rank = 0; rank < files.size(); ++rank) {
        folder.write("rank" + std::to_string(rank) + ".safetensors", serialize(files[rank]));
    }
}

/// A rank's config.json fields in `numRanks` ranks that divide the layers of BART's decoder.
nlohmann::json bartConfig(SizeType32 numRanks) {
    auto checkpoint = randomBart(Component::kDECODER, true);
    (void)divide(checkpoint, numRanks, 1);
    return checkpoint.config;
}

Split splitOf(std::string const& name) {
    if (name.find(".qkv.") != std::string::npos) {
        return Split::kQKV_ROWS;
    }
    if (name.ends_with("dense.weight") || name.ends_with("proj.weight")) {
        return Split::kCOLUMNS;
    }
    bool const byRows = name.find("mlp.fc.") != std::string::npos || name.starts_with("lm_head.");
    return byRows ? Split::kROWS : Split::kNONE;
}

void expectWhole(Checkpoint const& checkpoint, StoredTensors const& tensors) {
    for (auto const& [name, expected] : tensors) {
        auto const tensor = checkpoint.read(name, expected.shape, splitOf(name));
        auto const bytes = static_cast<std::size_t>(tensor.matrix.rows * tensor.matrix.cols) * sizeof(float);
        ASSERT_EQ(bytes, expected.bytes.size()) << name;
        EXPECT_EQ(std::memcmp(tensor.matrix.data, expected.bytes.data(), bytes), 0) << name;
    }
}

TEST(Checkpoint, MergesWhatRanksAndStagesDivide) {
    for (auto const& [tensorRanks, stages] : {std::pair{1, 1}, {2, 1}, {1, 2}, {2, 2}, {4, 4}}) {
        SCOPED_TRACE(::testing::Message() << tensorRanks << " ranks, " << stages << " stages");
        auto whole = randomBart(Component::kDECODER, false);
        TemporaryFolder const folder;
        auto const files = divide(whole, tensorRanks, stages);
        write(folder, whole.config, files);
        expectWhole(open(folder).checkpoint, whole.tensors);
    }
}

TEST(Checkpoint, ReadsTheNamesOfOlderConverters) {
    auto whole = randomBart(Component::kENCODER, false);
    auto files = divide(whole, 1, 2);
    for (auto& file : files) {
        StoredTensors renamed;
        for (auto const& [name, tensor] : file) {
            auto old = name;
            for (auto const& [today, before] :
                {std::pair<std::string, std::string>{"transformer.layers.", "encoder_layers."},
                    {"transformer.vocab_embedding.", "embedding.vocab_embedding."},
                    {"transformer.position_embedding.", "embedding.position_embedding."},
                    {"transformer.ln_embed.", "embedding.embedding_layernorm."},
                    {"transformer.ln_f.", "final_layernorm."}}) {
                old = name.starts_with(today) ? before + name.substr(today.size()) : old;
            }
            renamed[old] = tensor;
        }
        file = renamed;
    }
    TemporaryFolder const folder;
    write(folder, whole.config, files);
    expectWhole(open(folder, Component::kENCODER).checkpoint, whole.tensors);
}

TEST(Checkpoint, FindsTensorsThatOnlyALaterStageHas) {
    auto whole = randomBart(Component::kDECODER, true);
    auto files = divide(whole, 1, 2);
    files[0].erase("lm_head.weight");
    TemporaryFolder const folder;
    write(folder, whole.config, files);
    expectWhole(open(folder).checkpoint, whole.tensors);
}

TEST(Checkpoint, EmbeddingMayBeDividedOrWhole) {
    std::string const name = "transformer.vocab_embedding.weight";
    std::vector<float> const values{1, 2, 3, 4, 5, 6};
    auto const half = floatTensor({2, 2}, std::span(values).first(4));
    auto const rest = floatTensor({2, 2}, std::vector<float>{5, 6, 0, 0}); // padded
    auto const whole = floatTensor({3, 2}, values);
    for (auto const& files : {std::vector<StoredTensors>{{{name, half}}, {{name, rest}}},
             std::vector<StoredTensors>{{{name, whole}}, {{name, whole}}}}) {
        TemporaryFolder const folder;
        write(folder, bartConfig(2), files);
        auto const opened = open(folder);
        auto const tensor = opened.checkpoint.readMaybeSplit(name, {3, 2});
        EXPECT_EQ(std::memcmp(tensor.matrix.data, values.data(), sizeof(float) * values.size()), 0);
    }
}

TEST(Checkpoint, MissingAndUnexpectedRanksAreNamed) {
    auto whole = randomBart(Component::kDECODER, true);
    auto const files = divide(whole, 2, 2);
    TemporaryFolder const folder;
    write(folder, whole.config, files);
    std::filesystem::remove(folder.path() / "rank2.safetensors");
    auto const missing = errorOf([&] { (void)open(folder); });
    EXPECT_NE(
        missing.find("rank2.safetensors: is missing: the mapping in config.json has 4 rank(s)"), std::string::npos)
        << missing;
    write(folder, whole.config, files);
    folder.write("rank4.safetensors", serialize(files[0]));
    auto const unexpected = errorOf([&] { (void)open(folder); });
    EXPECT_NE(unexpected.find("rank4.safetensors: is one rank too many"), std::string::npos) << unexpected;
}

TEST(Checkpoint, TensorsThatDoNotFitTogetherAreNamed) {
    auto whole = randomBart(Component::kDECODER, true);
    auto files = divide(whole, 2, 1);
    files[1]["lm_head.weight"].dtype = "I32";
    files[1]["transformer.layers.0.mlp.fc.bias"] = floatTensor({1}, std::vector<float>{1});
    files[1].erase("transformer.layers.1.mlp.fc.bias");
    TemporaryFolder const folder;
    write(folder, whole.config, files);
    auto const opened = open(folder);
    auto const read = [&](char const* name) {
        return errorOf([&] { (void)opened.checkpoint.read(name, whole.tensors[name].shape, Split::kROWS); });
    };
    EXPECT_NE(read("lm_head.weight").find("rank1.safetensors, lm_head.weight: dtype must be"), std::string::npos);
    EXPECT_NE(read("transformer.layers.0.mlp.fc.bias").find("shape must be [14], is [1]"), std::string::npos);
    EXPECT_NE(read("transformer.layers.1.mlp.fc.bias").find("tensor is missing"), std::string::npos);
}

/// One rank of a quantised matrix: bytes in rows of 2, and its scales.
StoredTensors quantised(std::string const& dtype, std::string const& bytes, std::vector<float> const& scales) {
    auto const rows = static_cast<std::int64_t>(bytes.size() / 2);
    return {{"a.weight", {dtype, {rows, 2}, bytes}},
        {"a.weights_scaling_factor", floatTensor({std::ssize(scales)}, scales)}};
}

/// Reads "a.weight" [rows, cols] out of files of the quantisation `algorithm`, as floats.
std::vector<float> readQuantised(char const* algorithm, std::vector<StoredTensors> const& files,
    std::vector<std::int64_t> const& shape, Split split) {
    auto config = bartConfig(static_cast<SizeType32>(files.size()));
    config["quantization"] = {{"quant_algo", algorithm}, {"kv_cache_quant_algo", "FP8"}};
    TemporaryFolder const folder;
    write(folder, config, files);
    auto const opened = open(folder);
    auto const tensor = opened.checkpoint.read("a.weight", shape, split);
    std::vector<float> values(static_cast<std::size_t>(shape[0] * shape[1]));
    compute::readValues(tensor.matrix, 0, std::ssize(values), values.data());
    return values;
}

TEST(Checkpoint, ReadsFp8WithItsScale) {
    // 1, -1.125, the largest and the smallest value.
    std::string const bytes{'\x38', '\xB9', '\x7E', '\x01'};
    std::vector<float> const expected{0.5F, -0.5625F, 224, 0x1p-10F};
    EXPECT_EQ(readQuantised("FP8", {quantised("F8_E4M3", bytes, {0.5F})}, {2, 2}, Split::kROWS), expected);
    EXPECT_EQ(readQuantised("FP8", {quantised("I8", bytes, {0.5F})}, {2, 2}, Split::kROWS), expected);
}

TEST(Checkpoint, ReadsInt8WithAScaleForEachRow) {
    EXPECT_EQ(
        readQuantised("W8A16", {quantised("I8", {'\x80', '\x7F', '\x01', '\xFF'}, {0.5F, 2})}, {2, 2}, Split::kROWS),
        (std::vector<float>{-64, 63.5F, 2, -2}));
}

TEST(Checkpoint, EachRankHasItsOwnScales) {
    std::vector const files{quantised("F8_E4M3", "\x38\x40", {1}), quantised("F8_E4M3", "\x38\x40", {3})};
    EXPECT_EQ(readQuantised("FP8", files, {2, 2}, Split::kROWS), (std::vector<float>{1, 2, 3, 6}));
    EXPECT_EQ(readQuantised("FP8", files, {1, 4}, Split::kCOLUMNS), (std::vector<float>{1, 2, 3, 6}));
    std::vector const bytes{quantised("I8", "\1\1\2\2\3\3", {1, 2, 3}), quantised("I8", "\4\4\5\5\6\6", {1, 2, 3})};
    EXPECT_EQ(readQuantised("W8A16", bytes, {6, 2}, Split::kQKV_ROWS),
        (std::vector<float>{1, 1, 4, 4, 4, 4, 10, 10, 9, 9, 18, 18}));
}

TEST(Checkpoint, QuantisedWeightsWithoutTheirScalesAreRefused) {
    auto const error = [](char const* algorithm, StoredTensors const& file) {
        return errorOf([&] { (void)readQuantised(algorithm, {file}, {1, 2}, Split::kNONE); });
    };
    auto file = quantised("I8", "\1\1", {1});
    EXPECT_NE(error("FP8", quantised("I8", "\1\1", {1, 2})).find("a.weights_scaling_factor: must be 1 or 1 values"),
        std::string::npos);
    EXPECT_NE(error("W8A16", quantised("F8_E4M3", "\1\1", {1})).find("a.weight: dtype must be"), std::string::npos);
    file.erase("a.weights_scaling_factor");
    EXPECT_NE(error("W8A16", file).find("a.weights_scaling_factor: tensor is missing"), std::string::npos);
    file["a.per_channel_scale"] = floatTensor({2}, std::vector<float>{1, 2});
    auto const kernelLayout = error("W8A16", file);
    EXPECT_TRUE(kernelLayout.starts_with("[ERR_UNSUPPORTED]")) << kernelLayout;
    EXPECT_NE(kernelLayout.find("layout of one GPU's kernels"), std::string::npos) << kernelLayout;
}

} // namespace
} // namespace embedded
