/// Weights as the CPU kernels want them.
#pragma once

#include "compute/backend.h"
#include "compute/cpu/alignedMemory.h"

namespace embedded::compute {

/// Weights of a matrix product: panels of kPANEL_WIDTH output features, so that one vector holds one k of all features
/// of a panel and a row of weights streams from memory in order. The last panel is filled up with zeros.
///   kFP32: [panel][k][16] floats
///   kBF16: [panel][ceil(cols / 2)][16] words, each the BF16 values of an even k (low half) and of the next k (high)
class PreparedMatrix final : public Matrix {
public:
    /// @throws std::invalid_argument for a type that is none of FP32, FP16, BF16, or an empty matrix
    PreparedMatrix(HostMatrix const& source, WeightType type, SizeType32 numThreads);

    [[nodiscard]] WeightType type() const { return mType; }
    [[nodiscard]] void const* panels() const { return mMemory.as<void>(); }
    [[nodiscard]] std::int64_t numPanels() const;
    /// From one panel to the next, in floats or words.
    [[nodiscard]] std::int64_t panelStride() const;

private:
    void packPanel(HostMatrix const& source, std::int64_t panel);

    WeightType mType;
    AlignedMemory mMemory;
};

/// Rows to be looked up, in the source's order: [rows][cols] of float or BF16.
class PreparedTable final : public Matrix {
public:
    /// @throws std::invalid_argument as PreparedMatrix
    PreparedTable(HostMatrix const& source, WeightType type, SizeType32 numThreads);

    void readRow(std::int64_t row, float* output) const;

private:
    WeightType mType;
    AlignedMemory mMemory;
};

/// Values `first` … `first + count - 1` of the row-major source, as FP32.
void readValues(HostMatrix const& source, std::int64_t first, std::int64_t count, float* output);

/// @throws std::invalid_argument unless the source has a type that readValues() knows, and at least one value
void checkSource(HostMatrix const& source);

/// Rounds to nearest, ties to even; NaN stays NaN.
[[nodiscard]] std::uint16_t toBf16(float value);

} // namespace embedded::compute
