#include "tensors.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>

namespace tle = tensorrt_llm::executor;

namespace trtllm_node {
namespace {

float fromBFloat16(std::uint16_t bits) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

/// Sign, 5 bits of exponent, 10 bits of fraction.
float fromFloat16(std::uint16_t bits) {
    int const exponent = (bits >> 10) & 0x1F;
    auto const fraction = static_cast<float>(bits & 0x3FF);
    float magnitude = std::ldexp(fraction + 1024.0F, exponent - 25);
    if (exponent == 0) {
        magnitude = std::ldexp(fraction, -24);
    } else if (exponent == 0x1F) {
        magnitude = fraction == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
    }
    return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

tle::Tensor convert(tle::Tensor const& halves, float (*fromBits)(std::uint16_t)) {
    tle::Tensor floats = tle::Tensor::cpu(tle::DataType::kFP32, halves.getShape());
    auto const* const bits = static_cast<std::uint16_t const*>(halves.getData());
    std::transform(bits, bits + halves.getSize(), floatsOf(floats).begin(), fromBits);
    return floats;
}

} // namespace

bool isOnHost(tle::Tensor const& tensor) {
    auto const memory = tensor.getMemoryType();
    return memory == tle::MemoryType::kCPU || memory == tle::MemoryType::kCPU_PINNED
        || memory == tle::MemoryType::kCPU_PINNEDPOOL;
}

std::size_t extent(tle::Tensor const& tensor, std::size_t index) {
    auto const shape = tensor.getShape();
    return index < shape.size() ? static_cast<std::size_t>(shape[index]) : 1;
}

tle::Tensor toHostFloats(tle::Tensor const& tensor, std::string const& what) {
    tle::Tensor const host = isOnHost(tensor) ? tensor : tensor.copyToCpu();
    switch (host.getDataType()) {
    case tle::DataType::kFP32:
        return host;
    case tle::DataType::kFP16:
        return convert(host, fromFloat16);
    case tle::DataType::kBF16:
        return convert(host, fromBFloat16);
    default:
        throw std::runtime_error("[ERR_UNSUPPORTED] " + what
            + " must be float32, float16 or bfloat16, got element type "
            + std::to_string(static_cast<int>(host.getDataType())));
    }
}

std::span<float> floatsOf(tle::Tensor& tensor) {
    return {static_cast<float*>(tensor.getData()), tensor.getSize()};
}

std::span<float const> floatsOf(tle::Tensor const& tensor) {
    return {static_cast<float const*>(tensor.getData()), tensor.getSize()};
}

} // namespace trtllm_node
