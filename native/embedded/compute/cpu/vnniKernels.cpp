// Products of INT8 by AVX-512 VNNI: four products of 8 bits and their sum in one instruction, without saturation.
// Highway 1.0 has no operation for it, so the instruction is named here.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/cpu/vnniKernels.cpp"
#include "compute/cpu/targets.h"

#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#if HWY_TARGET == HWY_AVX3
// All of our own code from here on may use the instruction.
#undef HWY_TARGET_STR
#define HWY_TARGET_STR HWY_TARGET_STR_AVX3 ",avx512vnni"
#include "compute/cpu/int8Tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace embedded::compute::HWY_NAMESPACE {
namespace {

/// The instruction wants one factor without sign: activations get 128 more, and 128 times the weights is taken off.
struct VnniDot {
    using Input = std::uint8_t;
    static constexpr std::int32_t kOFFSET = 128;
    static constexpr int kPARTS = 1;
    static constexpr std::int64_t kMAX_ROWS = 8;
    static constexpr std::int64_t kMAX_SUMS = 24;

    using Weights = hn::Vec<hn::Full512<std::int8_t>>;

    static HWY_INLINE Weights load(std::int8_t const* weights) { return hn::Load(hn::Full512<std::int8_t>(), weights); }

    static HWY_INLINE Sums broadcast(std::uint8_t const* input) {
        std::int32_t four;
        std::memcpy(&four, input, sizeof(four));
        return hn::Set(Ints(), four);
    }

    static HWY_INLINE Sums addProducts(Weights weights, Sums x, Sums sum) {
        return Sums{_mm512_dpbusd_epi32(sum.raw, x.raw, weights.raw)};
    }

    static HWY_INLINE Sums features(Sums const* sums, std::int32_t const* totals) {
        return hn::Sub(sums[0], hn::ShiftLeft<7>(hn::Load(Ints(), totals)));
    }
};

} // namespace

void fillVnni(Kernels& kernels) {
    fillInt8<VnniDot>(kernels);
}

} // namespace embedded::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

#if HWY_ONCE
namespace embedded::compute {
void fillVnni(Kernels& kernels) {
    N_AVX3::fillVnni(kernels);
}
} // namespace embedded::compute
#endif
