// Matrix products. Every output is one running sum, from the bias over k in ascending order, whatever the tile that
// computes it, so the bits do not depend on how rows, panels and threads divide the work.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/cpu/matmulKernels.cpp"
#include "compute/cpu/targets.h"

#include <hwy/foreach_target.h>

#include "compute/cpu/kernels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace embedded::compute::HWY_NAMESPACE {
namespace {

/// The largest row tile; with the sums of kMAX_ROWS × maxPanels(kMAX_ROWS) panels the registers are full.
constexpr std::int64_t kMAX_ROWS = kLANES == 16 ? 8 : kLANES == 8 ? 6 : kLANES == 4 ? 3 : 1;

/// Panels that a tile of `rows` rows takes at once: 4, 2 or 1. Enough sums to hide the latency of the multiply-adds.
constexpr int maxPanels(std::int64_t rows) {
    std::int64_t const panels = (kLANES == 16 ? 16 : 8) / (rows * kVECTORS);
    return panels >= 4 ? 4 : panels >= 2 ? 2 : 1;
}

/// [panel][k][16] floats.
struct Fp32Weights {
    using Value = float;
    static constexpr std::int64_t kPAIR = 2 * kPANEL_WIDTH; ///< values of two consecutive k

    template <int kHalf> static HWY_INLINE Vector load(Value const* pair, std::int64_t lane) {
        return hn::Load(Floats(), pair + kHalf * kPANEL_WIDTH + lane);
    }
};

/// [panel][k / 2][16] words of two BF16 values: even k below, odd k above. Widening is one operation for either.
struct Bf16Weights {
    using Value = std::uint32_t;
    static constexpr std::int64_t kPAIR = kPANEL_WIDTH;

    template <int kHalf> static HWY_INLINE Vector load(Value const* pair, std::int64_t lane) {
        hn::RebindToUnsigned<Floats> const words;
        auto const both = hn::Load(words, pair + lane);
        if constexpr (kHalf == 0) {
            return hn::BitCast(Floats(), hn::ShiftLeft<16>(both));
        } else {
            return hn::BitCast(Floats(), hn::And(both, hn::Set(words, 0xFFFF0000U)));
        }
    }
};

/// kRows rows of the input times panels from `panel` on.
template <class Weights> struct Tile {
    float const* input; ///< first row
    std::int64_t cols;
    typename Weights::Value const* panels; ///< first panel
    std::int64_t panelStride;
    float const* bias; ///< first feature
    float* output;     ///< first row, first feature
    std::int64_t outputStride;
    std::int64_t width; ///< features up to the end of the output row
    bool add;
};

/// Asks for the weights that come 1 KiB after `pair`: the hardware's own prefetch stops at each page. Past the end of a
/// matrix a prefetch does no harm.
template <class Weights> HWY_INLINE void prefetchWeights(typename Weights::Value const* pair) {
#pragma GCC unroll 2
    for (std::int64_t i = 0; i < Weights::kPAIR; i += kPANEL_WIDTH) {
        __builtin_prefetch(pair + 16 * kPANEL_WIDTH + i);
    }
}

/// The products of one k: half kHalf of `pair`.
template <class Weights, int kHalf, int kRows, int kSums>
HWY_INLINE void addProducts(
    Vector (&sums)[kRows][kSums], Tile<Weights> const& tile, typename Weights::Value const* pair, float const* input) {
    Vector weights[kSums];
#pragma GCC unroll 16
    for (int i = 0; i < kSums; ++i) {
        weights[i] = Weights::template load<kHalf>(pair + i / kVECTORS * tile.panelStride, i % kVECTORS * kLANES);
    }
#pragma GCC unroll 16
    for (int row = 0; row < kRows; ++row) {
        Vector const x = hn::Set(Floats(), input[row * tile.cols]);
#pragma GCC unroll 16
        for (int i = 0; i < kSums; ++i) {
            sums[row][i] = hn::MulAdd(x, weights[i], sums[row][i]);
        }
    }
}

/// As storeSums(), for the last features of a row, where a panel is wider than what is left.
template <class Weights>
void storeEdge(float const* sums, std::int64_t rows, std::int64_t sumsPerRow, Tile<Weights> const& tile) {
    for (std::int64_t row = 0; row < rows; ++row) {
        float* output = tile.output + row * tile.outputStride;
        for (std::int64_t i = 0; i < tile.width; ++i) {
            float const sum = sums[row * sumsPerRow + i];
            output[i] = tile.add ? output[i] + sum : sum;
        }
    }
}

template <class Weights, int kRows, int kSums>
HWY_INLINE void storeSums(Vector const (&sums)[kRows][kSums], Tile<Weights> const& tile) {
    constexpr std::int64_t kFeatures = kSums * kLANES;
    bool const isEdge = tile.width < kFeatures;
    HWY_ALIGN float edge[kRows * kFeatures];
    float* output = isEdge ? edge : tile.output;
    std::int64_t const stride = isEdge ? kFeatures : tile.outputStride;
#pragma GCC unroll 16
    for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 16
        for (int i = 0; i < kSums; ++i) {
            float* const target = output + row * stride + i * kLANES;
            Vector const sum = sums[row][i];
            hn::StoreU(tile.add && !isEdge ? hn::Add(hn::LoadU(Floats(), target), sum) : sum, Floats(), target);
        }
    }
    if (isEdge) {
        storeEdge(edge, kRows, kFeatures, tile);
    }
}

template <class Weights, int kRows, int kPanels> void multiplyTile(Tile<Weights> const& tile) {
    constexpr int kSums = static_cast<int>(kPanels * kVECTORS);
    Vector sums[kRows][kSums];
#pragma GCC unroll 16
    for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 16
        for (int i = 0; i < kSums; ++i) {
            sums[row][i] = hn::Load(Floats(), tile.bias + i * kLANES);
        }
    }
    typename Weights::Value const* pair = tile.panels;
    float const* input = tile.input;
    for (std::int64_t k = 0; k + 1 < tile.cols; k += 2) {
        if constexpr (kRows == 1) { // bound by memory
#pragma GCC unroll 16
            for (int panel = 0; panel < kPanels; ++panel) {
                prefetchWeights<Weights>(pair + panel * tile.panelStride);
            }
        }
        addProducts<Weights, 0>(sums, tile, pair, input);
        addProducts<Weights, 1>(sums, tile, pair, input + 1);
        pair += Weights::kPAIR;
        input += 2;
    }
    if (tile.cols % 2 != 0) {
        addProducts<Weights, 0>(sums, tile, pair, input);
    }
    storeSums(sums, tile);
}

/// kRows rows times `numPanels` panels, by the widest tiles that fit.
template <class Weights, int kRows> void multiplyPanels(Tile<Weights> tile, std::int64_t numPanels) {
    constexpr int kMaxPanels = maxPanels(kRows);
    while (numPanels > 0) {
        int const step = numPanels >= kMaxPanels ? kMaxPanels : numPanels >= 2 ? 2 : 1;
        switch (step) {
        case 4:
            multiplyTile<Weights, kRows, kMaxPanels>(tile);
            break;
        case 2:
            multiplyTile<Weights, kRows, HWY_MIN(kMaxPanels, 2)>(tile);
            break;
        default:
            multiplyTile<Weights, kRows, 1>(tile);
            break;
        }
        numPanels -= step;
        tile.panels += step * tile.panelStride;
        tile.bias += step * kPANEL_WIDTH;
        tile.output += step * kPANEL_WIDTH;
        tile.width -= step * kPANEL_WIDTH;
    }
}

template <class Weights, int kRows = kMAX_ROWS>
void multiplyRows(Tile<Weights> const& tile, std::int64_t numRows, std::int64_t numPanels) {
    if constexpr (kRows > 1) {
        if (numRows < kRows) {
            return multiplyRows<Weights, kRows - 1>(tile, numRows, numPanels);
        }
    }
    multiplyPanels<Weights, kRows>(tile, numPanels);
}

/// A group of panels stays in the cache while all rows pass over it. Rows are divided evenly into tiles.
template <class Weights> void multiply(MatmulCall const& call, MatmulPart const& part) {
    std::int64_t const numRows = part.rowEnd - part.rowBegin;
    std::int64_t const numTiles = (numRows + kMAX_ROWS - 1) / kMAX_ROWS;
    int const group = maxPanels(numTiles == 1 ? numRows : kMAX_ROWS);
    for (std::int64_t panel = part.panelBegin; panel < part.panelEnd; panel += group) {
        std::int64_t row = part.rowBegin;
        for (std::int64_t i = 0; i < numTiles; ++i) {
            std::int64_t const rowsInTile = numRows / numTiles + (i < numRows % numTiles ? 1 : 0);
            std::int64_t const feature = panel * kPANEL_WIDTH;
            Tile<Weights> const tile{call.input + row * call.cols, call.cols,
                static_cast<typename Weights::Value const*>(call.panels) + panel * call.panelStride, call.panelStride,
                call.bias + feature, call.output + row * call.outputStride + feature, call.outputStride,
                call.outputs - feature, call.add};
            multiplyRows(tile, rowsInTile, HWY_MIN(group, part.panelEnd - panel));
            row += rowsInTile;
        }
    }
}

} // namespace

void fillMatmul(Kernels& kernels) {
    kernels.matmulFp32 = multiply<Fp32Weights>;
    kernels.matmulBf16 = multiply<Bf16Weights>;
}

} // namespace embedded::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace embedded::compute {
EMBEDDED_DEFINE_FILL(fillMatmul);
} // namespace embedded::compute
#endif
