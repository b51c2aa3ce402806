// Matrix products. Every output is one running sum, from the bias over k in ascending order, whatever the tile that
// computes it, so the bits do not depend on how rows, panels and threads divide the work.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/cpu/matmulKernels.cpp"
#include "compute/cpu/targets.h"

#include <hwy/foreach_target.h>

#include "compute/cpu/tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace embedded::compute::HWY_NAMESPACE {
namespace {

/// [panel][k][16] floats.
struct Fp32Weights {
    using Value = float;
    static constexpr std::int64_t kPAIR = 2 * kPANEL_WIDTH; ///< values of two consecutive k
    static constexpr std::int64_t kMAX_ROWS = kLANES == 16 ? 8 : kLANES == 8 ? 6 : kLANES == 4 ? 3 : 1;

    template <int kHalf> static HWY_INLINE Vector load(Value const* pair, std::int64_t lane) {
        return hn::Load(Floats(), pair + kHalf * kPANEL_WIDTH + lane);
    }
};

/// [panel][k / 2][16] words of two BF16 values: even k below, odd k above. Widening is one operation for either.
struct Bf16Weights {
    using Value = std::uint32_t;
    static constexpr std::int64_t kPAIR = kPANEL_WIDTH;
    static constexpr std::int64_t kMAX_ROWS = kLANES == 16 ? 8 : kLANES == 8 ? 5 : kLANES == 4 ? 3 : 1;

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
    Vector (&sums)[kRows][kSums], MatmulCall const& call, typename Weights::Value const* pair, float const* input) {
    Vector weights[kSums];
#pragma GCC unroll 16
    for (int i = 0; i < kSums; ++i) {
        weights[i] = Weights::template load<kHalf>(pair + i / kVECTORS * call.panelStride, i % kVECTORS * kLANES);
    }
#pragma GCC unroll 16
    for (int row = 0; row < kRows; ++row) {
        Vector const x = hn::Set(Floats(), input[row * call.cols]);
#pragma GCC unroll 16
        for (int i = 0; i < kSums; ++i) {
            sums[row][i] = hn::MulAdd(x, weights[i], sums[row][i]);
        }
    }
}

/// With the sums of kMAX_ROWS × maxPanels(kMAX_ROWS) panels the registers are full; with fewer rows there are enough
/// sums to hide the latency of the multiply-adds.
template <class Weights> struct FloatKernel {
    static constexpr std::int64_t kMAX_ROWS = Weights::kMAX_ROWS;

    static constexpr int maxPanels(std::int64_t rows) {
        std::int64_t const panels = (kLANES == 16 ? 16 : 8) / (rows * kVECTORS);
        return panels >= 4 ? 4 : panels >= 2 ? 2 : 1;
    }

    template <int kRows, int kPanels>
    static void tile(MatmulCall const& call, std::int64_t firstRow, std::int64_t firstPanel) {
        constexpr int kSums = static_cast<int>(kPanels * kVECTORS);
        Vector sums[kRows][kSums];
#pragma GCC unroll 16
        for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 16
            for (int i = 0; i < kSums; ++i) {
                sums[row][i] = hn::Load(Floats(), call.bias + firstPanel * kPANEL_WIDTH + i * kLANES);
            }
        }
        auto const* pair = static_cast<typename Weights::Value const*>(call.panels) + firstPanel * call.panelStride;
        float const* input = call.input + firstRow * call.cols;
        for (std::int64_t k = 0; k + 1 < call.cols; k += 2) {
            if constexpr (kRows == 1) { // bound by memory
#pragma GCC unroll 16
                for (int panel = 0; panel < kPanels; ++panel) {
                    prefetchWeights<Weights>(pair + panel * call.panelStride);
                }
            }
            addProducts<Weights, 0>(sums, call, pair, input);
            addProducts<Weights, 1>(sums, call, pair, input + 1);
            pair += Weights::kPAIR;
            input += 2;
        }
        if (call.cols % 2 != 0) {
            addProducts<Weights, 0>(sums, call, pair, input);
        }
        storeTile(sums, call, firstRow, firstPanel * kPANEL_WIDTH);
    }
};

} // namespace

void fillMatmul(Kernels& kernels) {
    kernels.matmulFp32 = multiply<FloatKernel<Fp32Weights>>;
    kernels.matmulBf16 = multiply<FloatKernel<Bf16Weights>>;
}

} // namespace embedded::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace embedded::compute {
EMBEDDED_DEFINE_FILL(fillMatmul);
} // namespace embedded::compute
#endif
