#include "compute/hostMatrix.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

namespace embedded::compute {

namespace {

// Small floats become FP32 by a shift and a product: shifted into place, their exponent is too low by the difference of
// the biases. A multiplication by that power of two corrects it and normalises subnormal values, without rounding.

float fromFp16(std::uint16_t bits) {
    // Infinity and NaN get the largest exponent.
    constexpr std::uint32_t kSHIFTED_INFINITY = 0x7C00U << 13;
    std::uint32_t const magnitude = (bits & 0x7FFFU) << 13;
    std::uint32_t value = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112F);
    value = magnitude >= kSHIFTED_INFINITY ? value | 0x7F800000U : value;
    return std::bit_cast<float>(value | (bits & 0x8000U) << 16);
}

/// E4M3 as NVIDIA and PyTorch (float8_e4m3fn) have it: no infinity, and one NaN for each sign.
float fromFp8(std::uint8_t bits) {
    std::uint32_t const magnitude = bits & 0x7FU;
    float const value = std::bit_cast<float>(magnitude << 20) * 0x1p120F;
    float const signedValue = (bits & 0x80U) != 0 ? -value : value;
    return magnitude == 0x7FU ? std::numeric_limits<float>::quiet_NaN() : signedValue;
}

template <class Bits, class Convert>
void convertValues(HostMatrix const& source, std::int64_t first, std::int64_t count, float* output, Convert convert) {
    auto const* bytes = static_cast<std::byte const*>(source.data) + first * std::int64_t{sizeof(Bits)};
    for (std::int64_t i = 0; i < count; ++i) {
        Bits bits;
        std::memcpy(&bits, bytes + i * std::int64_t{sizeof(Bits)}, sizeof(Bits));
        output[i] = convert(bits);
    }
}

void convertValues(HostMatrix const& source, std::int64_t first, std::int64_t count, float* output) {
    switch (source.dtype) {
    case DataType::kFP16:
        return convertValues<std::uint16_t>(source, first, count, output, fromFp16);
    case DataType::kBF16:
        return convertValues<std::uint16_t>(source, first, count, output, fromBf16);
    case DataType::kFP8:
        return convertValues<std::uint8_t>(source, first, count, output, fromFp8);
    case DataType::kINT8:
        return convertValues<std::int8_t>(
            source, first, count, output, [](std::int8_t value) { return static_cast<float>(value); });
    default:
        return convertValues<float>(source, first, count, output, [](float value) { return value; });
    }
}

/// The values of one row share a scale.
void applyScales(HostMatrix const& source, std::int64_t first, std::int64_t count, float* output) {
    std::int64_t const end = first + count;
    for (std::int64_t begin = first; begin < end;) {
        std::int64_t const row = begin / source.cols;
        std::int64_t const rowEnd = std::min((row + 1) * source.cols, end);
        float const scale = scaleOfRow(source, row);
        std::transform(output + (begin - first), output + (rowEnd - first), output + (begin - first),
            [scale](float value) { return value * scale; });
        begin = rowEnd;
    }
}

char const* nameOf(DataType type) {
    switch (type) {
    case DataType::kBOOL:
        return "BOOL";
    case DataType::kUINT8:
        return "UINT8";
    case DataType::kINT8:
        return "INT8";
    case DataType::kINT32:
        return "INT32";
    case DataType::kINT64:
        return "INT64";
    case DataType::kBF16:
        return "BF16";
    case DataType::kFP8:
        return "FP8";
    case DataType::kFP16:
        return "FP16";
    case DataType::kFP32:
        return "FP32";
    case DataType::kUNKNOWN:
        break;
    }
    return "UNKNOWN";
}

} // namespace

float scaleOfRow(HostMatrix const& source, std::int64_t row) {
    if (source.scales.empty()) {
        return 1;
    }
    return source.scales[source.scales.size() == 1 ? 0 : static_cast<std::size_t>(row)];
}

void checkSource(HostMatrix const& source) {
    if (bytesPerValue(source.dtype) == 0) {
        throw std::invalid_argument(
            std::string("weights must be FP32, FP16, BF16, FP8 or INT8, not ") + nameOf(source.dtype));
    }
    if (source.rows < 1 || source.cols < 1) {
        throw std::invalid_argument("weights must have at least one row and one column");
    }
    if (source.scales.size() > 1 && static_cast<std::int64_t>(source.scales.size()) != source.rows) {
        throw std::invalid_argument("weights must have one scale, or one for each row");
    }
}

void readValues(HostMatrix const& source, std::int64_t first, std::int64_t count, float* output) {
    convertValues(source, first, count, output);
    if (!source.scales.empty()) {
        applyScales(source, first, count, output);
    }
}

std::int64_t bytesPerValue(DataType type) {
    switch (type) {
    case DataType::kFP32:
        return 4;
    case DataType::kFP16:
    case DataType::kBF16:
        return 2;
    case DataType::kFP8:
    case DataType::kINT8:
        return 1;
    default:
        return 0;
    }
}

float fromBf16(std::uint16_t bits) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

std::uint16_t toBf16(float value) {
    auto const bits = std::bit_cast<std::uint32_t>(value);
    if ((bits & 0x7FFFFFFFU) > 0x7F800000U) {
        return static_cast<std::uint16_t>(bits >> 16 | 0x40U); // quiet, so that no payload is rounded to infinity
    }
    return static_cast<std::uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

} // namespace embedded::compute
