#include "compute/cpu/preparedMatrix.h"

#include "compute/cpu/kernels.h"
#include "compute/cpu/rounding.h"
#include "compute/cpu/threadPool.h"

#include <algorithm>
#include <functional>
#include <stdexcept>

namespace embedded::compute {

namespace {

/// Columns that are read at once.
constexpr std::int64_t kSTRIP = 64;

/// Table rows that one task converts.
constexpr std::int64_t kTABLE_ROWS = 64;

HostMatrix const& checked(HostMatrix const& source) {
    checkSource(source);
    return source;
}

} // namespace

std::int64_t PreparedMatrix::numPanels() const {
    return divideUp(rows(), kPANEL_WIDTH);
}

std::int64_t PreparedMatrix::panelStride() const {
    return (mType == WeightType::kFP32 ? cols() : divideUp(cols(), 2)) * kPANEL_WIDTH;
}

PreparedMatrix::PreparedMatrix(HostMatrix const& source, WeightType type, HostMatrix const* bias, SizeType32 numThreads)
    : Matrix(checked(source).rows, source.cols)
    , mType(type)
    , mMemory(static_cast<std::size_t>(numPanels() * panelStride()) * sizeof(float))
    , mBias(static_cast<std::size_t>(numPanels() * kPANEL_WIDTH) * sizeof(float)) {
    std::fill_n(mBias.as<float>(), numPanels() * kPANEL_WIDTH, 0.0F);
    if (bias != nullptr) {
        readBias(*bias);
    }
    ThreadPool::instance().parallelFor(
        numThreads, numPanels(), [&](std::int64_t panel, SizeType32) { packPanel(source, panel); });
}

void PreparedMatrix::readBias(HostMatrix const& bias) {
    checkSource(bias);
    if (bias.rows * bias.cols != rows()) {
        throw std::invalid_argument("a bias must have one value for each row of its weights");
    }
    readValues(bias, 0, rows(), mBias.as<float>());
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

void PreparedTable::readRow(std::int64_t row, float factor, float* output) const {
    if (mType == WeightType::kFP32) {
        auto const* values = mMemory.as<float>() + row * cols();
        std::transform(values, values + cols(), output, [=](float value) { return factor * value; });
    } else {
        auto const* values = mMemory.as<std::uint16_t>() + row * cols();
        std::transform(values, values + cols(), output, [=](std::uint16_t value) { return factor * fromBf16(value); });
    }
}

void PreparedTable::addRow(std::int64_t row, float* output) const {
    if (mType == WeightType::kFP32) {
        auto const* values = mMemory.as<float>() + row * cols();
        std::transform(values, values + cols(), output, output, std::plus());
    } else {
        auto const* values = mMemory.as<std::uint16_t>() + row * cols();
        std::transform(values, values + cols(), output, output,
            [](std::uint16_t value, float sum) { return fromBf16(value) + sum; });
    }
}

} // namespace embedded::compute
