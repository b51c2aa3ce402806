#include "testing/testAdapter.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <random>

namespace embedded::testing {

namespace texec = tensorrt_llm::executor;

namespace {

/// Where the weights of a module lie in a checkpoint.
struct Place {
    SizeType32 id;
    char const* tensor; ///< behind the layer's name, of the decoder
    int part;           ///< of three stacked parts; -1: the whole tensor
};

constexpr std::array kPLACES{Place{0, "self_attention.qkv", -1}, Place{1, "self_attention.qkv", 0},
    Place{2, "self_attention.qkv", 1}, Place{3, "self_attention.qkv", 2}, Place{4, "self_attention.dense", -1},
    Place{5, "mlp.fc", -1}, Place{6, "mlp.proj", -1}, Place{7, "mlp.gate", -1}, Place{8, "cross_attention.qkv", -1},
    Place{9, "cross_attention.qkv", 0}, Place{10, "cross_attention.qkv", 1}, Place{11, "cross_attention.qkv", 2},
    Place{12, "cross_attention.dense", -1}};

std::int64_t numLayers(TestCheckpoint const& checkpoint) {
    return checkpoint.config["num_hidden_layers"].get<std::int64_t>();
}

/// A module's rows of a weight.
struct Rows {
    StoredTensor* weight = nullptr; ///< null: the model has no such module
    std::int64_t first = 0;
    std::int64_t count = 0;

    [[nodiscard]] std::int64_t cols() const { return weight->shape[1]; }
};

Rows locate(TestModel& model, SizeType32 id, std::int64_t layer) {
    auto const decoderLayers = numLayers(model.decoder);
    bool const isEncoder = layer >= decoderLayers;
    auto& checkpoint = isEncoder ? model.encoder : model.decoder;
    auto const& place = *std::ranges::find(kPLACES, id, &Place::id);
    std::string tensor = place.tensor;
    if (isEncoder && tensor.starts_with("self_")) {
        tensor = tensor.substr(5);
    }
    auto const index = isEncoder ? layer - decoderLayers : layer;
    auto const found =
        checkpoint.tensors.find("transformer.layers." + std::to_string(index) + "." + tensor + ".weight");
    if (found == checkpoint.tensors.end()) {
        return {};
    }
    auto const rows = found->second.rows();
    return place.part < 0 ? Rows{&found->second, 0, rows} : Rows{&found->second, place.part * rows / 3, rows / 3};
}

} // namespace

TestAdapter::TestAdapter(TestModel const& model, std::vector<TestModule> const& modules, unsigned seed) {
    std::mt19937 generator(seed);
    auto copy = model;
    for (auto const& module : modules) {
        auto const rows = locate(copy, module.id, module.layer);
        auto const random = [&](std::int64_t count, std::int64_t width) {
            std::normal_distribution<float> distribution(0, 1.0F / std::sqrt(static_cast<float>(width)));
            std::vector<float> values(static_cast<std::size_t>(count));
            std::ranges::generate(values, [&] { return distribution(generator); });
            return values;
        };
        mFactors.push_back(
            {module, random(module.rank * rows.cols(), rows.cols()), random(rows.count * module.rank, module.rank)});
    }
}

texec::LoraConfig TestAdapter::config(texec::IdType task) const {
    std::size_t width = 0;
    for (auto const& factors : mFactors) {
        width = std::max(width, factors.down.size() + factors.up.size());
    }
    auto const count = static_cast<std::int64_t>(mFactors.size());
    auto weights = texec::Tensor::cpu(texec::DataType::kFP32, {count, static_cast<std::int64_t>(width)});
    auto config = texec::Tensor::cpu(texec::DataType::kINT32, {count, 3});
    auto* values = static_cast<float*>(weights.getData());
    auto* row = static_cast<std::int32_t*>(config.getData());
    std::fill_n(values, weights.getSize(), 0.0F);
    for (auto const& [module, down, up] : mFactors) {
        std::ranges::copy(up, std::ranges::copy(down, values).out);
        values += width;
        row = std::ranges::copy(std::array{module.id, module.layer, module.rank}, row).out;
    }
    return texec::LoraConfig(task, weights, config);
}

TestModel TestAdapter::mergedInto(TestModel model) const {
    for (auto const& [module, down, up] : mFactors) {
        auto const rows = locate(model, module.id, module.layer);
        auto const cols = rows.cols();
        for (std::int64_t i = 0; i < rows.count * cols; ++i) {
            double sum = 0;
            for (std::int64_t k = 0; k < module.rank; ++k) {
                sum += static_cast<double>(up[static_cast<std::size_t>(i / cols * module.rank + k)])
                    * down[static_cast<std::size_t>(k * cols + i % cols)];
            }
            auto* const bytes =
                rows.weight->bytes.data() + (rows.first * cols + i) * static_cast<std::int64_t>(sizeof(float));
            float value = 0;
            std::memcpy(&value, bytes, sizeof value);
            value = static_cast<float>(value + sum);
            std::memcpy(bytes, &value, sizeof value);
        }
    }
    return model;
}

std::vector<TestModule> allModules(TestModel const& model, SizeType32 maxRank) {
    auto copy = model;
    std::vector<TestModule> modules;
    auto const layers = static_cast<SizeType32>(numLayers(model.decoder) + numLayers(model.encoder));
    for (SizeType32 layer = 0; layer < layers; ++layer) {
        for (auto const& place : kPLACES) {
            if (place.id != 0 && place.id != 8 && locate(copy, place.id, layer).weight != nullptr) {
                modules.push_back({place.id, layer, 1 + static_cast<SizeType32>(modules.size()) % maxRank});
            }
        }
    }
    return modules;
}

} // namespace embedded::testing
