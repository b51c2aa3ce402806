/// Weights as the CPU kernels want them.
#pragma once

#include "compute/backend.h"
#include "compute/cpu/alignedMemory.h"
#include "compute/cpu/kernels.h"

namespace embedded::compute {

/// Weights of a matrix product: panels of kPANEL_WIDTH output features, so that one vector holds one k of all features
/// of a panel and a row of weights streams from memory in order. The last panel is filled up with zeros.
///   kFP32: [panel][k][16] floats
///   kBF16: [panel][ceil(cols / 2)][16] words, each the BF16 values of an even k (low half) and of the next k (high)
///   kINT8: [panel][ceil(cols / 4)][16] words, each the INT8 values of four k
/// The bias is [panel][16] floats, zeros where there is none. So are the scales of kINT8: a weight is its integer times
/// the scale of its output, the largest magnitude of the output's weights over 127. INT8 sources keep their integers
/// and scales.
class PreparedMatrix final : public Matrix {
public:
    /// @param bias rows() values, or null
    /// @throws std::invalid_argument if checkSource() does for weights or bias, the bias has another size, or kINT8 has
    /// so many columns that a sum could overflow
    PreparedMatrix(HostMatrix const& source, WeightType type, HostMatrix const* bias, SizeType32 numThreads);

    [[nodiscard]] WeightType type() const { return mType; }
    [[nodiscard]] void const* panels() const { return mMemory.as<void>(); }
    [[nodiscard]] float const* bias() const { return mBias.as<float>(); }
    /// Of kINT8 only.
    [[nodiscard]] float const* scales() const { return mScales.as<float>(); }
    /// Of kINT8 only: the sum of each output's integers.
    [[nodiscard]] std::int32_t const* totals() const { return mTotals.as<std::int32_t>(); }
    [[nodiscard]] std::int64_t numPanels() const;
    /// From one panel to the next, in floats or words of 4 bytes.
    [[nodiscard]] std::int64_t panelStride() const;

private:
    /// Columns that are read at once, of all outputs of a panel.
    static constexpr std::int64_t kSTRIP = 64;
    using Strip = float[kPANEL_WIDTH][kSTRIP];

    void readBias(HostMatrix const& bias);
    void packPanel(HostMatrix const& source, std::int64_t panel);
    void chooseScales(HostMatrix const& source, std::int64_t panel);
    void packStrip(Strip const& strip, std::int64_t numCols, std::int64_t panel, std::int64_t firstCol);
    void packInt8(Strip const& strip, std::int64_t numCols, std::int64_t panel, std::int64_t firstCol);

    WeightType mType;
    AlignedMemory mMemory;
    AlignedMemory mBias;
    AlignedMemory mScales;
    AlignedMemory mTotals;
};

/// Rows to be looked up, in the source's order: [rows][cols] of float or BF16.
class PreparedTable final : public Matrix {
public:
    /// @throws std::invalid_argument as PreparedMatrix
    PreparedTable(HostMatrix const& source, WeightType type, SizeType32 numThreads);

    /// output = factor * row
    void readRow(std::int64_t row, float factor, float* output) const;
    /// output += row
    void addRow(std::int64_t row, float* output) const;

private:
    WeightType mType;
    AlignedMemory mMemory;
};

} // namespace embedded::compute
