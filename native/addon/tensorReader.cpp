#include "tensorReader.h"

#include "tensors.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace tle = tensorrt_llm::executor;

namespace trtllm_node {
namespace {

using Extents = std::vector<tle::Shape::DimType64>;

bool isArrayOf(Napi::Value const& value, napi_typedarray_type type) {
    return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type;
}

tle::Tensor copyOfFloats(Napi::Float32Array const& array, Extents const& extents) {
    tle::Tensor tensor = tle::Tensor::cpu(tle::DataType::kFP32, {extents.data(), extents.size()});
    std::copy_n(array.Data(), array.ElementLength(), floatsOf(tensor).begin());
    return tensor;
}

tle::Tensor copyOfBools(Bytes bytes, Extents const& extents) {
    tle::Tensor tensor = tle::Tensor::cpu(tle::DataType::kBOOL, {extents.data(), extents.size()});
    std::ranges::transform(bytes, static_cast<bool*>(tensor.getData()), [](std::uint8_t byte) { return byte != 0; });
    return tensor;
}

/// @throws ArgumentError unless they are the extents of so many elements.
Extents readExtents(Napi::Value const& value, std::string const& path, std::size_t numElements) {
    constexpr std::size_t kMAX_RANK = 8;
    auto const shape = readValue<std::vector<std::int32_t>>(value, path);
    double product = 1; // of positive integers: too large is not equal, however it is rounded
    for (auto const extent : shape) {
        product *= std::max(extent, 0);
    }
    if (shape.empty() || shape.size() > kMAX_RANK || product != static_cast<double>(numElements) || product == 0) {
        throw ArgumentError(
            path + " must have 1 to 8 extents whose product is the length of data, " + std::to_string(numElements));
    }
    return {shape.begin(), shape.end()};
}

} // namespace

tle::Tensor Reader<tle::Tensor>::read(Napi::Value const& value, std::string const& path) {
    if (isArrayOf(value, napi_float32_array)) {
        auto const array = value.As<Napi::Float32Array>();
        return copyOfFloats(array, {static_cast<tle::Shape::DimType64>(array.ElementLength())});
    }
    if (value.Type() != napi_object || value.IsArray() || value.IsTypedArray()) {
        refuse(value, path, "a Float32Array or an object of shape and data");
    }
    auto const object = value.As<Napi::Object>();
    refuseUnknown(object, path, {"shape", "data"});
    Napi::Value const shape = object.Get("shape");
    Napi::Value const data = object.Get("data"); // the last: nothing of JavaScript runs between it and the copy
    if (isArrayOf(data, napi_float32_array)) {
        auto const array = data.As<Napi::Float32Array>();
        return copyOfFloats(array, readExtents(shape, joinPath(path, "shape"), array.ElementLength()));
    }
    auto const bytes = readValue<Bytes>(data, joinPath(path, "data"));
    return copyOfBools(bytes, readExtents(shape, joinPath(path, "shape"), bytes.size()));
}

} // namespace trtllm_node
