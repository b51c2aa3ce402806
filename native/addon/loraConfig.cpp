#include "loraConfig.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace tle = tensorrt_llm::executor;

namespace trtllm_node {
namespace {

/// LoraWeights of lib/lora/tensors.ts as it crosses.
struct RawWeights {
    tle::DataType dtype = tle::DataType::kUNKNOWN;
    tle::SizeType32 rows = 0;
    tle::SizeType32 width = 0;
    Bytes data;
};

/// LoraConfigTensor of lib/lora/tensors.ts as it crosses.
struct RawConfigRows {
    tle::SizeType32 rows = 0;
    tle::SizeType32 columns = 0;
    std::vector<std::int32_t> data;
};

struct Weights {
    tle::Tensor tensor;
};

struct ConfigRows {
    tle::Tensor tensor;
};

struct Adapter {
    tle::IdType taskId = 0;
    std::optional<Weights> weights;
    std::optional<ConfigRows> config;
};

/// A matrix in memory of its own.
/// @throws ArgumentError unless the data has as many bytes as the tensor.
tle::Tensor copyOf(Bytes data, tle::DataType dtype, std::array<tle::SizeType32, 2> shape, std::string const& path) {
    std::size_t const elementSize = dtype == tle::DataType::kFP16 || dtype == tle::DataType::kBF16 ? 2 : 4;
    auto const [rows, columns] = shape;
    auto const expected = static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns) * elementSize;
    if (data.size() != expected) {
        throw ArgumentError(path + ".data must have " + std::to_string(expected) + " bytes by its shape and type, got "
            + std::to_string(data.size()));
    }
    tle::Tensor tensor = tle::Tensor::cpu(dtype, {rows, columns});
    std::copy(data.begin(), data.end(), static_cast<std::uint8_t*>(tensor.getData()));
    return tensor;
}

} // namespace

template <> struct EnumNames<tle::DataType> {
    static constexpr std::array<std::pair<char const*, tle::DataType>, 3> kNAMES{
        {{"float32", tle::DataType::kFP32}, {"float16", tle::DataType::kFP16}, {"bfloat16", tle::DataType::kBF16}}};
};

template <> struct Reader<Weights> {
    static constexpr std::tuple kFIELDS{
        required("dtype", &RawWeights::dtype), Field{"rows", &RawWeights::rows, kPOSITIVE, true},
        Field{"width", &RawWeights::width, kPOSITIVE, true},
        required("data", &RawWeights::data), // the last: nothing of JavaScript runs between it and the copy
    };

    static Weights read(Napi::Value const& value, std::string const& path) {
        RawWeights raw;
        readFields(requireObject(value, path), path, raw, kFIELDS);
        return {copyOf(raw.data, raw.dtype, {raw.rows, raw.width}, path)};
    }
};

template <> struct Reader<ConfigRows> {
    static constexpr std::tuple kFIELDS{
        Field{"rows", &RawConfigRows::rows, kPOSITIVE, true},
        Field{"columns", &RawConfigRows::columns, kPOSITIVE, true},
        required("data", &RawConfigRows::data),
    };

    static ConfigRows read(Napi::Value const& value, std::string const& path) {
        RawConfigRows raw;
        readFields(requireObject(value, path), path, raw, kFIELDS);
        Bytes const bytes{
            reinterpret_cast<std::uint8_t const*>(raw.data.data()), raw.data.size() * sizeof(raw.data[0])};
        return {copyOf(bytes, tle::DataType::kINT32, {raw.rows, raw.columns}, path)};
    }
};

tle::LoraConfig Reader<tle::LoraConfig>::read(Napi::Value const& value, std::string const& path) {
    static constexpr std::tuple kFIELDS{
        required("taskId", &Adapter::taskId),
        Field{"weights", &Adapter::weights},
        Field{"config", &Adapter::config},
    };
    Adapter adapter;
    readFields(requireObject(value, path), path, adapter, kFIELDS);
    std::optional<tle::Tensor> weights;
    std::optional<tle::Tensor> config;
    if (adapter.weights) {
        weights = std::move(adapter.weights->tensor);
    }
    if (adapter.config) {
        config = std::move(adapter.config->tensor);
    }
    return tle::LoraConfig(adapter.taskId, std::move(weights), std::move(config));
}

} // namespace trtllm_node
