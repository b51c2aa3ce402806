#include "compute/cpu/preparedMatrix.h"

#include "compute/cpu/kernels.h"
#include "compute/cpu/rounding.h"
#include "compute/cpu/threadPool.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>

namespace embedded::compute {

namespace {

/// Values of a table that are converted at once.
constexpr std::int64_t kTABLE_STRIP = 64;

/// The largest magnitude of an integer, and how many products of two surely fit into 32 bits.
constexpr float kINT8_MAX = 127;
constexpr std::int64_t kMAX_INT8_COLS = std::numeric_limits<std::int32_t>::max() / (128 * 127);

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
    std::int64_t const valuesInWord = mType == WeightType::kFP32 ? 1 : mType == WeightType::kBF16 ? 2 : kINT8_GROUP;
    return divideUp(cols(), valuesInWord) * kPANEL_WIDTH;
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
    if (type == WeightType::kINT8) {
        if (cols() > kMAX_INT8_COLS) {
            throw std::invalid_argument("INT8 weights must have at most " + std::to_string(kMAX_INT8_COLS)
                + " columns, got " + std::to_string(cols()));
        }
        mScales = AlignedMemory(mBias.bytes());
        mTotals = AlignedMemory(mBias.bytes());
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
    if (mType == WeightType::kINT8) {
        chooseScales(source, panel);
        std::fill_n(mTotals.as<std::int32_t>() + panel * kPANEL_WIDTH, kPANEL_WIDTH, 0);
    }
    std::int64_t const firstRow = panel * kPANEL_WIDTH;
    std::int64_t const numRows = std::min(kPANEL_WIDTH, rows() - firstRow);
    for (std::int64_t firstCol = 0; firstCol < cols(); firstCol += kSTRIP) {
        std::int64_t const numCols = std::min(kSTRIP, cols() - firstCol);
        Strip strip = {};
        for (std::int64_t row = 0; row < numRows; ++row) {
            readValues(source, (firstRow + row) * cols() + firstCol, numCols, strip[row]);
        }
        packStrip(strip, numCols, panel, firstCol);
    }
}

void PreparedMatrix::chooseScales(HostMatrix const& source, std::int64_t panel) {
    float* scales = mScales.as<float>() + panel * kPANEL_WIDTH;
    std::fill_n(scales, kPANEL_WIDTH, 0.0F);
    for (std::int64_t i = 0; i < std::min(kPANEL_WIDTH, rows() - panel * kPANEL_WIDTH); ++i) {
        std::int64_t const row = panel * kPANEL_WIDTH + i;
        if (source.dtype == DataType::kINT8) {
            scales[i] = scaleOfRow(source, row);
            continue;
        }
        float largest = 0;
        for (std::int64_t firstCol = 0; firstCol < cols(); firstCol += kSTRIP) {
            float strip[kSTRIP];
            std::int64_t const numCols = std::min(kSTRIP, cols() - firstCol);
            readValues(source, row * cols() + firstCol, numCols, strip);
            std::for_each_n(strip, numCols, [&](float value) { largest = std::max(largest, std::abs(value)); });
        }
        float const scale = largest / kINT8_MAX;
        scales[i] = std::isnormal(scale) ? scale : 0.0F; // so close to zero, quotients would be inexact
    }
}

void PreparedMatrix::packStrip(Strip const& strip, std::int64_t numCols, std::int64_t panel, std::int64_t firstCol) {
    if (mType == WeightType::kINT8) {
        return packInt8(strip, numCols, panel, firstCol);
    }
    if (mType == WeightType::kFP32) {
        auto* floats = mMemory.as<float>() + panel * panelStride() + firstCol * kPANEL_WIDTH;
        for (std::int64_t i = 0; i < numCols * kPANEL_WIDTH; ++i) {
            floats[i] = strip[i % kPANEL_WIDTH][i / kPANEL_WIDTH];
        }
        return;
    }
    auto* words = mMemory.as<std::uint32_t>() + panel * panelStride() + firstCol / 2 * kPANEL_WIDTH;
    for (std::int64_t i = 0; i < divideUp(numCols, 2) * kPANEL_WIDTH; ++i) {
        float const* pair = strip[i % kPANEL_WIDTH] + i / kPANEL_WIDTH * 2;
        words[i] = toBf16(pair[0]) | static_cast<std::uint32_t>(toBf16(pair[1])) << 16;
    }
}

void PreparedMatrix::packInt8(Strip const& strip, std::int64_t numCols, std::int64_t panel, std::int64_t firstCol) {
    auto* bytes = mMemory.as<std::int8_t>() + (panel * panelStride() + firstCol / kINT8_GROUP * kPANEL_WIDTH) * 4;
    for (std::int64_t row = 0; row < kPANEL_WIDTH; ++row) {
        float const scale = mScales.as<float>()[panel * kPANEL_WIDTH + row];
        std::int32_t total = 0;
        for (std::int64_t col = 0; col < roundUp(numCols, kINT8_GROUP); ++col) {
            auto const value = static_cast<std::int8_t>(scale > 0 ? std::nearbyint(strip[row][col] / scale) : 0.0F);
            bytes[(col / kINT8_GROUP * kPANEL_WIDTH + row) * kINT8_GROUP + col % kINT8_GROUP] = value;
            total += value;
        }
        mTotals.as<std::int32_t>()[panel * kPANEL_WIDTH + row] += total;
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
        for (std::int64_t i = begin; i < end; i += kTABLE_STRIP) {
            float strip[kTABLE_STRIP];
            std::int64_t const count = std::min(kTABLE_STRIP, end - i);
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
