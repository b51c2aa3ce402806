/// Weights as the CPU kernels want them.
#pragma once

#include "compute/backend.h"
#include "compute/cpu/alignedMemory.h"

namespace embedded::compute {

/// Weights of a matrix product: panels of kPANEL_WIDTH output features, so that one vector holds one k of all features
/// of a panel and a row of weights streams from memory in order. The last panel is filled up with zeros.
///   kFP32: [panel][k][16] floats
///   kBF16: [panel][ceil(cols / 2)][16] words, each the BF16 values of an even k (low half) and of the next k (high)
/// The bias is [panel][16] floats, zeros where there is none.
class PreparedMatrix final : public Matrix {
public:
    /// @param bias rows() values, or null
    /// @throws std::invalid_argument if checkSource() does for weights or bias, or the bias has another size
    PreparedMatrix(HostMatrix const& source, WeightType type, HostMatrix const* bias, SizeType32 numThreads);

    [[nodiscard]] WeightType type() const { return mType; }
    [[nodiscard]] void const* panels() const { return mMemory.as<void>(); }
    [[nodiscard]] float const* bias() const { return mBias.as<float>(); }
    [[nodiscard]] std::int64_t numPanels() const;
    /// From one panel to the next, in floats or words.
    [[nodiscard]] std::int64_t panelStride() const;

private:
    void readBias(HostMatrix const& bias);
    void packPanel(HostMatrix const& source, std::int64_t panel);

    WeightType mType;
    AlignedMemory mMemory;
    AlignedMemory mBias;
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
