#include "testing/testCheckpoint.h"

#include "model/safetensors.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <random>

namespace embedded::testing {

namespace {

namespace texec = tensorrt_llm::executor;
using nlohmann::json;

constexpr std::int64_t kHIDDEN = 20;
constexpr std::int64_t kHEADS = 4;
constexpr std::int64_t kATTENTION = 24;
constexpr std::int64_t kFFN = 28;
constexpr std::int64_t kVOCAB = 33;
constexpr std::int64_t kPOSITIONS = 40;
constexpr std::int64_t kENCODER_LAYERS = 2;
constexpr std::int64_t kDECODER_LAYERS = 4;

/// Fills a checkpoint with named random tensors.
class RandomTensors {
public:
    explicit RandomTensors(unsigned seed)
        : mGenerator(seed) {}

    void add(std::string const& name, std::vector<std::int64_t> const& shape, float scale, float mean = 0) {
        std::normal_distribution<float> distribution(mean, scale);
        std::vector<float> values(static_cast<std::size_t>(shape[0] * (shape.size() == 2 ? shape[1] : 1)));
        for (auto& value : values) {
            value = distribution(mGenerator);
        }
        tensors[name] = floatTensor(shape, values);
    }

    void addNorm(std::string const& name) {
        add(name + ".weight", {kHIDDEN}, 0.3F, 1);
        add(name + ".bias", {kHIDDEN}, 0.3F);
    }

    void addLinear(std::string const& name, std::int64_t rows, std::int64_t cols) {
        add(name + ".weight", {rows, cols}, 0.4F);
        add(name + ".bias", {rows}, 0.3F);
    }

    void addAttention(std::string const& name) {
        addLinear(name + ".qkv", 3 * kATTENTION, kHIDDEN);
        addLinear(name + ".dense", kHIDDEN, kATTENTION);
        addNorm(name + "_layernorm");
    }

    StoredTensors tensors;

private:
    std::mt19937 mGenerator;
};

json bartConfig(bool isEncoder, bool normalizesAfter) {
    return {{"architecture", isEncoder ? "EncoderModel" : "DecoderModel"}, {"dtype", "float32"},
        {"num_hidden_layers", isEncoder ? kENCODER_LAYERS : kDECODER_LAYERS}, {"num_attention_heads", kHEADS},
        {"head_size", kATTENTION / kHEADS}, {"hidden_size", kHIDDEN}, {"intermediate_size", kFFN},
        {"vocab_size", kVOCAB}, {"max_position_embeddings", kPOSITIONS}, {"has_position_embedding", true},
        {"position_embedding_type", "learned_absolute"}, {"has_embedding_layernorm", true},
        {"has_embedding_scale", true}, {"layernorm_type", 0}, {"layernorm_position", normalizesAfter ? 1 : 0},
        {"norm_epsilon", 1e-5}, {"has_model_final_layernorm", !normalizesAfter}, {"hidden_act", "gelu"},
        {"has_attention_qkvo_bias", true}, {"has_mlp_bias", true}, {"q_scaling", 1.0}, {"has_lm_head_bias", true}};
}

/// The dimension that ranks divide, or -1.
int divided(std::string const& name) {
    auto const contains = [&](char const* part) { return name.find(part) != std::string::npos; };
    if (contains(".qkv.") || contains("mlp.fc.") || contains("mlp.gate.") || contains("lm_head.")
        || contains("rel_attn_table")) {
        return 0;
    }
    return name.ends_with("dense.weight") || name.ends_with("mlp.proj.weight") ? 1 : -1;
}

/// Rows `first` … `first + count - 1`; rows past the end are zero.
std::string rowsOf(StoredTensor const& tensor, std::int64_t first, std::int64_t count) {
    auto const rowBytes = tensor.rowBytes();
    auto bytes = tensor.bytes.substr(static_cast<std::size_t>(first) * rowBytes,
        static_cast<std::size_t>(std::min(count, tensor.rows() - first)) * rowBytes);
    bytes.resize(static_cast<std::size_t>(count) * rowBytes, '\0');
    return bytes;
}

StoredTensor partOf(std::string const& name, StoredTensor const& tensor, std::int64_t rank, std::int64_t ranks) {
    StoredTensor part = tensor;
    int const dimension = divided(name);
    if (dimension < 0 || tensor.shape == std::vector<std::int64_t>{1}) {
        return part;
    }
    auto& size = part.shape[static_cast<std::size_t>(dimension)];
    size = (size + ranks - 1) / ranks;
    part.bytes.clear();
    if (dimension == 1) {
        auto const bytes = tensor.rowBytes() / static_cast<std::size_t>(ranks);
        for (std::int64_t row = 0; row < tensor.rows(); ++row) {
            part.bytes += rowsOf(tensor, row, 1).substr(static_cast<std::size_t>(rank) * bytes, bytes);
        }
        return part;
    }
    std::int64_t const fused = name.find(".qkv.") != std::string::npos ? 3 : 1;
    for (std::int64_t i = 0; i < fused; ++i) {
        part.bytes += rowsOf(tensor, i * tensor.rows() / fused + rank * size / fused, size / fused);
    }
    return part;
}

/// The tensor's name in the files of `stage`, empty if it is not there.
std::string nameInStage(std::string const& name, std::int64_t stage, std::int64_t layersPerStage) {
    std::string const prefix = "transformer.layers.";
    if (!name.starts_with(prefix)) {
        return name;
    }
    std::size_t digits = 0;
    auto const layer = std::stoll(name.substr(prefix.size()), &digits);
    bool const isHere = layer / layersPerStage == stage;
    return isHere ? prefix + std::to_string(layer % layersPerStage) + name.substr(prefix.size() + digits) : "";
}

} // namespace

StoredTensor floatTensor(std::vector<std::int64_t> shape, std::span<float const> values) {
    return {"F32", std::move(shape), {reinterpret_cast<char const*>(values.data()), values.size_bytes()}};
}

std::string serialize(StoredTensors const& tensors) {
    json header = json::object();
    std::string data;
    for (auto const& [name, tensor] : tensors) {
        header[name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape},
            {"data_offsets", {data.size(), data.size() + tensor.bytes.size()}}};
        data += tensor.bytes;
    }
    auto const text = header.dump();
    std::uint64_t const length = text.size();
    std::string bytes(sizeof length, '\0');
    std::memcpy(bytes.data(), &length, sizeof length);
    return bytes + text + data;
}

TestCheckpoint readCheckpoint(std::filesystem::path const& folder) {
    TestCheckpoint checkpoint;
    std::ifstream(folder / "config.json") >> checkpoint.config;
    SafetensorsFile const file(folder / "rank0.safetensors");
    for (auto const& [name, tensor] : file.tensors()) {
        auto const* const dtype = tensor.dtype == texec::DataType::kFP32 ? "F32"
            : tensor.dtype == texec::DataType::kFP16                     ? "F16"
                                                                         : "BF16";
        checkpoint.tensors[name] = {
            dtype, tensor.shape, {reinterpret_cast<char const*>(tensor.data.data()), tensor.data.size()}};
    }
    return checkpoint;
}

TestCheckpoint randomBart(Component component, bool normalizesAfter) {
    bool const isEncoder = component == Component::kENCODER;
    RandomTensors random(isEncoder ? 1 : 2);
    random.add("transformer.vocab_embedding.weight", {kVOCAB, kHIDDEN}, 0.2F);
    random.add("transformer.position_embedding.weight", {kPOSITIONS, kHIDDEN}, 0.5F);
    random.addNorm("transformer.ln_embed");
    for (std::int64_t i = 0; i < (isEncoder ? kENCODER_LAYERS : kDECODER_LAYERS); ++i) {
        auto const layer = "transformer.layers." + std::to_string(i) + ".";
        random.addAttention(layer + (isEncoder ? "attention" : "self_attention"));
        if (!isEncoder) {
            random.addAttention(layer + "cross_attention");
        }
        random.addLinear(layer + "mlp.fc", kFFN, kHIDDEN);
        random.addLinear(layer + "mlp.proj", kHIDDEN, kFFN);
        random.addNorm(layer + "mlp_layernorm");
    }
    if (!normalizesAfter) {
        random.addNorm("transformer.ln_f");
    }
    if (!isEncoder) {
        random.addLinear("lm_head", kVOCAB, kHIDDEN);
    }
    return {bartConfig(isEncoder, normalizesAfter), std::move(random.tensors)};
}

std::vector<StoredTensors> divide(TestCheckpoint& checkpoint, SizeType32 tensorRanks, SizeType32 stages) {
    checkpoint.config["mapping"] = {
        {"world_size", tensorRanks * stages}, {"tp_size", tensorRanks}, {"pp_size", stages}};
    auto const layersPerStage = checkpoint.config["num_hidden_layers"].get<std::int64_t>() / stages;
    std::vector<StoredTensors> files;
    for (std::int64_t stage = 0; stage < stages; ++stage) {
        for (std::int64_t rank = 0; rank < tensorRanks; ++rank) {
            auto& file = files.emplace_back();
            for (auto const& [name, tensor] : checkpoint.tensors) {
                if (auto const here = nameInStage(name, stage, layersPerStage); !here.empty()) {
                    file[here] = partOf(name, tensor, rank, tensorRanks);
                }
            }
        }
    }
    return files;
}

void writeCheckpoint(
    std::filesystem::path const& folder, TestCheckpoint checkpoint, SizeType32 tensorRanks, SizeType32 stages) {
    std::filesystem::create_directories(folder);
    auto const files = divide(checkpoint, tensorRanks, stages);
    for (std::size_t rank = 0; rank < files.size(); ++rank) {
        auto const name = "rank" + std::to_string(rank) + ".safetensors";
        std::ofstream(folder / name, std::ios::binary) << serialize(files[rank]);
    }
    std::ofstream(folder / "config.json") << checkpoint.config;
}

} // namespace embedded::testing
