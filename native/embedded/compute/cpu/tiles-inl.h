// How matrix products are cut into register tiles; compiled once per target, hence no #pragma once.
#if defined(EMBEDDED_TILES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef EMBEDDED_TILES_INL_H
#undef EMBEDDED_TILES_INL_H
#else
#define EMBEDDED_TILES_INL_H
#endif

#include "compute/cpu/kernels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace embedded::compute::HWY_NAMESPACE {
namespace {

// A Kernel has
//   kMAX_ROWS                                the largest row tile
//   maxPanels(rows)                          panels that a tile of so many rows takes at once: 4, 2 or 1
//   tile<kRows, kPanels>(call, row, panel)   computes rows from `row` on times panels from `panel` on

/// kRows rows times the panels [panel, panelEnd), by the widest tiles that fit.
template <class Kernel, int kRows, class Call>
void multiplyPanels(Call const& call, std::int64_t row, std::int64_t panel, std::int64_t panelEnd) {
    constexpr int kMaxPanels = Kernel::maxPanels(kRows);
    while (panel < panelEnd) {
        std::int64_t const left = panelEnd - panel;
        int const step = left >= kMaxPanels ? kMaxPanels : left >= 2 ? 2 : 1;
        switch (step) {
        case 4:
            Kernel::template tile<kRows, kMaxPanels>(call, row, panel);
            break;
        case 2:
            Kernel::template tile<kRows, HWY_MIN(kMaxPanels, 2)>(call, row, panel);
            break;
        default:
            Kernel::template tile<kRows, 1>(call, row, panel);
            break;
        }
        panel += step;
    }
}

template <class Kernel, int kRows, class Call>
void multiplyRows(Call const& call, std::int64_t row, std::int64_t numRows, std::int64_t panel, std::int64_t panelEnd) {
    if constexpr (kRows > 1) {
        if (numRows < kRows) {
            return multiplyRows<Kernel, kRows - 1>(call, row, numRows, panel, panelEnd);
        }
    }
    multiplyPanels<Kernel, kRows>(call, row, panel, panelEnd);
}

/// A group of panels stays in the cache while all rows pass over it. Rows are divided evenly into tiles.
template <class Kernel, class Call> void multiply(Call const& call, MatmulPart const& part) {
    constexpr std::int64_t kMaxRows = Kernel::kMAX_ROWS;
    std::int64_t const numRows = part.rowEnd - part.rowBegin;
    std::int64_t const numTiles = (numRows + kMaxRows - 1) / kMaxRows;
    int const group = Kernel::maxPanels((numRows + numTiles - 1) / numTiles);
    for (std::int64_t panel = part.panelBegin; panel < part.panelEnd; panel += group) {
        std::int64_t row = part.rowBegin;
        for (std::int64_t i = 0; i < numTiles; ++i) {
            std::int64_t const rowsInTile = numRows / numTiles + (i < numRows % numTiles ? 1 : 0);
            multiplyRows<Kernel, static_cast<int>(kMaxRows)>(
                call, row, rowsInTile, panel, HWY_MIN(panel + group, part.panelEnd));
            row += rowsInTile;
        }
    }
}

/// Writes the finished sums of a tile to its rows of the output, or adds them; a panel may be wider than what is left
/// of a row.
template <int kRows, int kVectors, class Call>
HWY_INLINE void storeTile(
    Vector const (&sums)[kRows][kVectors], Call const& call, std::int64_t row, std::int64_t feature) {
    constexpr std::int64_t kFeatures = kVectors * kLANES;
    std::int64_t const width = call.outputs - feature;
    float* output = call.output + row * call.outputStride + feature;
    if (width >= kFeatures) {
#pragma GCC unroll 16
        for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
            for (int i = 0; i < kVectors; ++i) {
                float* const target = output + r * call.outputStride + i * kLANES;
                hn::StoreU(call.add ? hn::Add(hn::LoadU(Floats(), target), sums[r][i]) : sums[r][i], Floats(), target);
            }
        }
        return;
    }
    HWY_ALIGN float edge[kFeatures];
    for (int r = 0; r < kRows; ++r) {
        for (int i = 0; i < kVectors; ++i) {
            hn::Store(sums[r][i], Floats(), edge + i * kLANES);
        }
        for (std::int64_t i = 0; i < width; ++i) {
            float& target = output[r * call.outputStride + i];
            target = call.add ? target + edge[i] : edge[i];
        }
    }
}

} // namespace
} // namespace embedded::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
