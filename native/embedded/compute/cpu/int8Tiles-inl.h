// Products of INT8 with exact integer sums, and the rows that go into them; compiled once per target, hence no
// #pragma once. A Dot says how the weights of four consecutive k meet their activations:
//   Input, kOFFSET             the type of an activation in memory, and what is added to it there
//   kPARTS                     vectors of sums that belong to one vector of features
//   kMAX_ROWS, kMAX_SUMS       the largest row tile; vectors of sums that the registers hold
//   Weights load(weights)      one vector of weights
//   broadcast(input)           the four activations in every place
//   addProducts(w, x, sum)     sum + their products
//   features(sums, totals)     one sum for each feature; `totals` are those of the weights alone
#if defined(EMBEDDED_INT8_TILES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef EMBEDDED_INT8_TILES_INL_H
#undef EMBEDDED_INT8_TILES_INL_H
#else
#define EMBEDDED_INT8_TILES_INL_H
#endif

#include "compute/cpu/tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace embedded::compute::HWY_NAMESPACE {
namespace {

using Ints = hn::RebindToSigned<Floats>;
using Sums = hn::Vec<Ints>;

template <class Dot> struct Int8Kernel {
    /// Vectors of sums for one row of one panel, and bytes of weights that go into one.
    static constexpr int kPANEL_SUMS = static_cast<int>(kVECTORS * Dot::kPARTS);
    static constexpr std::int64_t kBYTES = kINT8_GROUP * kPANEL_WIDTH / kPANEL_SUMS;

    static constexpr std::int64_t kMAX_ROWS = Dot::kMAX_ROWS;

    static constexpr int maxPanels(std::int64_t rows) {
        std::int64_t const panels = Dot::kMAX_SUMS / (rows * kPANEL_SUMS);
        return panels >= 4 ? 4 : panels >= 2 ? 2 : 1;
    }

    template <int kRows, int kPanels>
    static void tile(Int8Call const& call, std::int64_t firstRow, std::int64_t firstPanel) {
        // Where the registers do not hold the sums of a panel, it is taken in parts.
        constexpr int kFit = static_cast<int>(Dot::kMAX_SUMS / kRows / Dot::kPARTS * Dot::kPARTS);
        constexpr int kAll = kPanels * kPANEL_SUMS;
        constexpr int kSums = kAll <= kFit ? kAll : kPANEL_SUMS / 2 <= kFit ? kPANEL_SUMS / 2 : kPANEL_SUMS / 4;
        static_assert(kSums >= Dot::kPARTS);
        for (int first = 0; first < kAll; first += kSums) {
            tilePart<kRows, kSums>(call, firstRow, firstPanel, first);
        }
    }

    /// Sums `first` … `first + kSums - 1` of each row.
    template <int kRows, int kSums>
    static HWY_INLINE void tilePart(Int8Call const& call, std::int64_t firstRow, std::int64_t firstPanel, int first) {
        auto const* weights = static_cast<std::int8_t const*>(call.panels) + firstPanel * call.panelStride
            + first / kPANEL_SUMS * call.panelStride + first % kPANEL_SUMS * kBYTES;
        auto const* input = static_cast<std::uint8_t const*>(call.input) + firstRow * call.inputStride;
        Sums sums[kRows][kSums];
#pragma GCC unroll 16
        for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 16
            for (int i = 0; i < kSums; ++i) {
                sums[row][i] = hn::Zero(Ints());
            }
        }
        for (std::int64_t k = 0; k < call.cols; k += kINT8_GROUP) {
            typename Dot::Weights loaded[kSums];
#pragma GCC unroll 16
            for (int i = 0; i < kSums; ++i) {
                auto const* source = weights + i / kPANEL_SUMS * call.panelStride + i % kPANEL_SUMS * kBYTES;
                if constexpr (kRows <= 2) { // bound by memory; as in matmulKernels.cpp
                    __builtin_prefetch(source + 16 * kINT8_GROUP * kPANEL_WIDTH);
                }
                loaded[i] = Dot::load(source);
            }
#pragma GCC unroll 16
            for (int row = 0; row < kRows; ++row) {
                auto const x = Dot::broadcast(input + row * call.inputStride);
#pragma GCC unroll 16
                for (int i = 0; i < kSums; ++i) {
                    sums[row][i] = Dot::addProducts(loaded[i], x, sums[row][i]);
                }
            }
            weights += kINT8_GROUP * kPANEL_WIDTH;
            input += kINT8_GROUP * sizeof(typename Dot::Input);
        }
        finish(sums, call, firstRow, firstPanel * kPANEL_WIDTH + first * kLANES / Dot::kPARTS);
    }

    /// sum · (scale of the weights · scale of the row) + bias
    template <int kRows, int kSums>
    static HWY_INLINE void finish(
        Sums const (&sums)[kRows][kSums], Int8Call const& call, std::int64_t firstRow, std::int64_t firstFeature) {
        constexpr int kVectors = static_cast<int>(kSums / Dot::kPARTS);
        Vector results[kRows][kVectors];
#pragma GCC unroll 16
        for (int row = 0; row < kRows; ++row) {
            Vector const rowScale = hn::Set(Floats(), call.inputScales[firstRow + row]);
#pragma GCC unroll 16
            for (int i = 0; i < kVectors; ++i) {
                std::int64_t const feature = firstFeature + i * kLANES;
                Sums const sum = Dot::features(sums[row] + i * Dot::kPARTS, call.totals + feature);
                Vector const scale = hn::Mul(hn::Load(Floats(), call.scales + feature), rowScale);
                results[row][i] =
                    hn::MulAdd(hn::ConvertTo(Floats(), sum), scale, hn::Load(Floats(), call.bias + feature));
            }
        }
        storeTile(results, call, firstRow, firstFeature);
    }
};

/// Largest magnitude of a row over 127; the row's values over that, rounded to the nearest integer, ties to even.
template <class Input, std::int32_t kOFFSET> float quantizeRow(float const* input, std::int64_t cols, void* output) {
    Vector largest = hn::Zero(Floats());
    for (std::int64_t col = 0; col < cols; col += kLANES) {
        largest = hn::Max(largest, hn::Abs(loadUpTo(input + col, cols - col)));
    }
    float const max = hn::GetLane(hn::MaxOfLanes(Floats(), largest));
    // A row so close to zero that the factor would be infinite becomes zero.
    Vector const factor = hn::Set(Floats(), max > 0x1p-100F ? 127.0F / max : 0.0F);
    hn::Rebind<Input, Floats> const narrow;
    auto* values = static_cast<Input*>(output);
    for (std::int64_t col = 0; col < cols; col += kLANES) {
        Sums const rounded = hn::NearestInt(hn::Mul(loadUpTo(input + col, cols - col), factor));
        hn::StoreU(hn::DemoteTo(narrow, hn::Add(rounded, hn::Set(Ints(), kOFFSET))), narrow, values + col);
    }
    return max / 127.0F;
}

template <class Dot> void fillInt8(Kernels& kernels) {
    kernels.quantizeRow = quantizeRow<typename Dot::Input, Dot::kOFFSET>;
    kernels.quantizedBytes = sizeof(typename Dot::Input);
    kernels.matmulInt8 = multiply<Int8Kernel<Dot>, Int8Call>;
}

} // namespace
} // namespace embedded::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
