/// Weights as they lie in a checkpoint, the same for every backend.
#pragma once

#include "tensorrt_llm/executor/types.h"

#include <cstdint>
#include <span>

namespace embedded::compute {

using tensorrt_llm::executor::DataType;

/// Row-major [rows, cols] of FP32, FP16, BF16, FP8 (E4M3) or INT8; rows are output features. May be unaligned: it lies
/// anywhere in a mapped file.
struct HostMatrix {
    void const* data;
    DataType dtype;
    std::int64_t rows;
    std::int64_t cols;
    std::span<float const> scales = {}; ///< factors on the values: none, one for all, or one for each row
};

/// @throws std::invalid_argument unless the source has a type that readValues() knows, and at least one value
void checkSource(HostMatrix const& source);

/// Values `first` … `first + count - 1` as FP32, times their scale. REQUIRES: checkSource() passes.
void readValues(HostMatrix const& source, std::int64_t first, std::int64_t count, float* output);

/// The factor on the values of a row.
[[nodiscard]] float scaleOfRow(HostMatrix const& source, std::int64_t row);

/// Bytes of one value of a type that readValues() knows.
[[nodiscard]] std::int64_t bytesPerValue(DataType type);

[[nodiscard]] float fromBf16(std::uint16_t bits);

/// Rounds to nearest, ties to even; NaN stays NaN.
[[nodiscard]] std::uint16_t toBf16(float value);

} // namespace embedded::compute
