// Products of INT8 by multiply-adds of 16 bits, which every target has: weights are widened as they are loaded.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/cpu/int8Kernels.cpp"
#include "compute/cpu/targets.h"

#include <hwy/foreach_target.h>

#include "compute/cpu/int8Tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace embedded::compute::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128

/// Without vectors there is nothing to tile.
void multiplyPlain(Int8Call const& call, MatmulPart const& part) {
    std::int64_t const featureEnd = HWY_MIN(part.panelEnd * kPANEL_WIDTH, call.outputs);
    for (std::int64_t row = part.rowBegin; row < part.rowEnd; ++row) {
        auto const* input = static_cast<std::uint8_t const*>(call.input) + row * call.inputStride;
        for (std::int64_t feature = part.panelBegin * kPANEL_WIDTH; feature < featureEnd; ++feature) {
            auto const* weights = static_cast<std::int8_t const*>(call.panels)
                + feature / kPANEL_WIDTH * call.panelStride + feature % kPANEL_WIDTH * kINT8_GROUP;
            std::int32_t sum = 0;
            for (std::int64_t k = 0; k < call.cols; ++k) {
                std::int16_t x;
                std::memcpy(&x, input + k * std::int64_t{sizeof(x)}, sizeof(x));
                sum += x * weights[k / kINT8_GROUP * kINT8_GROUP * kPANEL_WIDTH + k % kINT8_GROUP];
            }
            float const scale = call.scales[feature] * call.inputScales[row];
            float const result = static_cast<float>(sum) * scale + call.bias[feature];
            float& output = call.output[row * call.outputs + feature];
            output = call.add ? output + result : result;
        }
    }
}

#else

/// Each sum has the products of two k, so two neighbours belong to one feature.
struct WideningDot {
    using Input = std::int16_t;
    static constexpr std::int32_t kOFFSET = 0;
    static constexpr int kPARTS = 2;
    static constexpr std::int64_t kMAX_ROWS = kLANES == 16 ? 8 : kLANES == 8 ? 6 : 4;
    static constexpr std::int64_t kMAX_SUMS = kLANES == 16 ? 24 : 12;

    using Shorts = hn::Repartition<std::int16_t, Ints>;
    using Weights = hn::Vec<Shorts>;

    static HWY_INLINE Weights load(std::int8_t const* weights) {
        hn::Rebind<std::int8_t, Shorts> const bytes;
        return hn::PromoteTo(Shorts(), hn::Load(bytes, weights));
    }

    static HWY_INLINE Weights broadcast(std::uint8_t const* input) {
        std::int64_t four;
        std::memcpy(&four, input, sizeof(four));
        return hn::BitCast(Shorts(), hn::Set(hn::Repartition<std::int64_t, Ints>(), four));
    }

    static HWY_INLINE Sums addProducts(Weights weights, Weights x, Sums sum) {
        Sums unused = hn::Zero(Ints());
        return hn::ReorderWidenMulAccumulate(Ints(), weights, x, sum, unused);
    }

    static HWY_INLINE Sums features(Sums const* sums, std::int32_t const*) {
        return hn::Add(hn::ConcatEven(Ints(), sums[1], sums[0]), hn::ConcatOdd(Ints(), sums[1], sums[0]));
    }
};

#endif

} // namespace

void fillInt8(Kernels& kernels) {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
    kernels.quantizeRow = quantizeRow<std::int16_t, 0>;
    kernels.quantizedBytes = sizeof(std::int16_t);
    kernels.matmulInt8 = multiplyPlain;
#else
    fillInt8<WideningDot>(kernels);
#endif
}

} // namespace embedded::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace embedded::compute {
EMBEDDED_DEFINE_FILL(fillInt8);
} // namespace embedded::compute
#endif
