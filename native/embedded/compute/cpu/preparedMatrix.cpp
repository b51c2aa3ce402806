#include "compute/cpu/preparedMatrix.h"

#include "compute/cpu/kernels.h"
#include "compute/cpu/rounding.h"
#include "compute/cpu/threadPool.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>
#include <string>

namespace embedded::compute {

namespace {

/// Columns that are read at once.
constexpr std::int64_t kSTRIP = 64;

/// Table rows that one task converts.
constexpr std::int64_t kTABLE_ROWS = 64;

float fromBf16(std::uint16_t bits) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

float fromFp16(std::uint16_t bits) {
    // The exponent and mantissa land 112 too low in FP32's exponent; a multiplication corrects that and normalises
    // subnormal values. Infinity and NaN get the largest exponent.
    constexpr std::uint32_t kSHIFTED_INFINITY = 0x7C00U << 13;
    std::uint32_t const magnitude = (bits & 0x7FFFU) << 13;
    std::uint32_t value = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112F);
    value = magnitude >= kSHIFTED_INFINITY ? value | 0x7F800000U : value;
    return std::bit_cast<float>(value | (bits & 0x8000U) << 16);
}

/// The source may be unaligned: it lies anywhere in a mapped file.
template <class Bits, class Convert>
void convertValues(HostMatrix const& source, std::int64_t first, std::int64_t count, float* output, Convert convert) {
    auto const* bytes = static_cast<std::byte const*>(source.data) + first * std::int64_t{sizeof(Bits)};
    for (std::int64_t i = 0; i < count; ++i) {
        Bits bits;
        std::memcpy(&bits, bytes + i * std::int64_t{sizeof(Bits)}, sizeof(Bits));
        output[i] = convert(bits);
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

HostMatrix const& checked(HostMatrix const& source) {
    checkSource(source);
    return source;
}

} // namespace

void checkSource(HostMatrix const& source) {
    if (source.dtype != DataType::kFP32 && source.dtype != DataType::kFP16 && source.dtype != DataType::kBF16) {
        throw std::invalid_argument(std::string("weights must be FP32, FP16 or BF16, not ") + nameOf(source.dtype));
    }
    if (source.rows < 1 || source.cols < 1) {
        throw std::invalid_argument("weights must have at least one row and one column");
    }
}

void readValues(HostMatrix const& source, std::int64_t first, std::int64_t count, float* output) {
    switch (source.dtype) {
    case DataType::kFP16:
        return convertValues<std::uint16_t>(source, first, count, output, fromFp16);
    case DataType::kBF16:
        return convertValues<std::uint16_t>(source, first, count, output, fromBf16);
    default:
        return convertValues<float>(source, first, count, output, [](float value) { return value; });
    }
}

std::uint16_t toBf16(float value) {
    auto const bits = std::bit_cast<std::uint32_t>(value);
    if ((bits & 0x7FFFFFFFU) > 0x7F800000U) {
        return static_cast<std::uint16_t>(bits >> 16 | 0x40U); // quiet, so that no payload is rounded to infinity
    }
    return static_cast<std::uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

std::int64_t PreparedMatrix::numPanels() const {
    return divideUp(rows(), kPANEL_WIDTH);
}

std::int64_t PreparedMatrix::panelStride() const {
    return (mType == WeightType::kFP32 ? cols() : divideUp(cols(), 2)) * kPANEL_WIDTH;
}

PreparedMatrix::PreparedMatrix(HostMatrix const& source, WeightType type, SizeType32 numThreads)
    : Matrix(checked(source).rows, source.cols)
    , mType(type)
    , mMemory(static_cast<std::size_t>(numPanels() * panelStride()) * sizeof(float)) {
    ThreadPool::instance().parallelFor(
        numThreads, numPanels(), [&](std::int64_t panel, SizeType32) { packPanel(source, panel); });
}

void PreparedMatrix::packPanel(HostMatrix const& source, std::int64_t panel) {
    std::int64_t const firstRow = panel * kPANEL_WIDTH;
    std::int64_t const numRows = std::min(kPANEL_WIDTH, rows() - firstRow);
    auto* floats = mMemory.as<float>() + panel * panelStride();
    auto* words = mMemory.as<std::uint32_t>() + panel * panelStride();
    for (std::int64_t firstCol = 0; firstCol < cols(); firstCol += kSTRIP) {
        std::int64_t const numCols = std::min(kSTRIP, cols() - firstCol);
        float strip[kPANEL_WIDTH][kSTRIP] = {};
        for (std::int64_t row = 0; row < numRows; ++row) {
            readValues(source, (firstRow + row) * cols() + firstCol, numCols, strip[row]);
        }
        if (mType == WeightType::kFP32) {
            for (std::int64_t i = 0; i < numCols * kPANEL_WIDTH; ++i) {
                floats[firstCol * kPANEL_WIDTH + i] = strip[i % kPANEL_WIDTH][i / kPANEL_WIDTH];
            }
        } else {
            for (std::int64_t i = 0; i < divideUp(numCols, 2) * kPANEL_WIDTH; ++i) {
                float const* pair = strip[i % kPANEL_WIDTH] + i / kPANEL_WIDTH * 2;
                words[firstCol / 2 * kPANEL_WIDTH + i] =
                    toBf16(pair[0]) | static_cast<std::uint32_t>(toBf16(pair[1])) << 16;
            }
        }
    }
}

PreparedTable::PreparedTable(HostMatrix const& source, WeightType type, SizeType32 numThreads)
    : Matrix(checked(source).rows, source.cols)
    , mType(type)
    , mMemory(static_cast<std::size_t>(rows() * cols())
          * (type == WeightType::kFP32 ? sizeof(float) : sizeof(std::uint16_t))) {
    auto const convertRows = [&](std::int64_t task, SizeType32) {
        std::int64_t const begin = task * kTABLE_ROWS * cols();
        std::int64_t const end = std::min(begin + kTABLE_ROWS * cols(), rows() * cols());
        if (mType == WeightType::kFP32) {
            return readValues(source, begin, end - begin, mMemory.as<float>() + begin);
        }
        for (std::int64_t i = begin; i < end; i += kSTRIP) {
            float strip[kSTRIP];
            std::int64_t const count = std::min(kSTRIP, end - i);
            readValues(source, i, count, strip);
            std::transform(strip, strip + count, mMemory.as<std::uint16_t>() + i, toBf16);
        }
    };
    ThreadPool::instance().parallelFor(numThreads, divideUp(rows(), kTABLE_ROWS), convertRows);
}

void PreparedTable::readRow(std::int64_t row, float* output) const {
    if (mType == WeightType::kFP32) {
        std::memcpy(output, mMemory.as<float>() + row * cols(), static_cast<std::size_t>(cols()) * sizeof(float));
        return;
    }
    auto const* values = mMemory.as<std::uint16_t>() + row * cols();
    std::transform(values, values + cols(), output, fromBf16);
}

} // namespace embedded::compute
