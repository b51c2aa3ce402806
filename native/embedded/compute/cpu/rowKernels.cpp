// Operations on one row, or on values one by one.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/cpu/rowKernels.cpp"
#include "compute/cpu/targets.h"

#include <hwy/foreach_target.h>

#include "compute/cpu/kernels-inl.h"

#include <hwy/contrib/math/math-inl.h>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace embedded::compute::HWY_NAMESPACE {
namespace {

/// Independent sums, so that additions do not wait for each other. The order is fixed by the number of columns.
constexpr int kSUMS = 4;

/// The sum over a row in all lanes; `add(x, sum)` adds the terms of the values x to the sum.
template <class Add> HWY_INLINE Vector sumOf(float const* input, std::int64_t cols, Add const& add) {
    Vector sums[kSUMS] = {hn::Zero(Floats()), hn::Zero(Floats()), hn::Zero(Floats()), hn::Zero(Floats())};
    std::int64_t col = 0;
    for (; col + kSUMS * kLANES <= cols; col += kSUMS * kLANES) {
#pragma GCC unroll 4
        for (int i = 0; i < kSUMS; ++i) {
            sums[i] = add(hn::LoadU(Floats(), input + col + i * kLANES), sums[i]);
        }
    }
    for (; col < cols; col += kLANES) {
        auto const valid = hn::FirstN(Floats(), static_cast<std::size_t>(HWY_MIN(cols - col, kLANES)));
        sums[0] = hn::IfThenElse(valid, add(loadUpTo(input + col, cols - col), sums[0]), sums[0]);
    }
    return hn::SumOfLanes(Floats(), hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3])));
}

/// 1 / sqrt(sum / cols + epsilon)
HWY_INLINE Vector inverseRoot(Vector sum, std::int64_t cols, float epsilon) {
    Vector const mean = hn::Div(sum, hn::Set(Floats(), static_cast<float>(cols)));
    Vector const root = hn::Sqrt(hn::Add(mean, hn::Set(Floats(), epsilon)));
    return hn::Div(hn::Set(Floats(), 1.0F), root);
}

void rmsNormRow(float const* input, float const* weight, float epsilon, std::int64_t cols, float* output) {
    Vector const squares = sumOf(input, cols, [](Vector x, Vector sum) { return hn::MulAdd(x, x, sum); });
    Vector const scale = inverseRoot(squares, cols, epsilon);
    for (std::int64_t col = 0; col < cols; col += kLANES) {
        Vector const x = hn::Mul(loadUpTo(input + col, cols - col), scale);
        storeUpTo(hn::Mul(x, loadUpTo(weight + col, cols - col)), output + col, cols - col);
    }
}

/// The variance is the mean of squared distances from the mean, which loses no digits where the mean is large.
void layerNormRow(
    float const* input, float const* weight, float const* bias, float epsilon, std::int64_t cols, float* output) {
    Vector const sum = sumOf(input, cols, [](Vector x, Vector previous) { return hn::Add(previous, x); });
    Vector const mean = hn::Div(sum, hn::Set(Floats(), static_cast<float>(cols)));
    Vector const squares = sumOf(input, cols, [mean](Vector x, Vector previous) {
        Vector const distance = hn::Sub(x, mean);
        return hn::MulAdd(distance, distance, previous);
    });
    Vector const scale = inverseRoot(squares, cols, epsilon);
    for (std::int64_t col = 0; col < cols; col += kLANES) {
        std::int64_t const rest = cols - col;
        Vector const x = hn::Mul(hn::Sub(loadUpTo(input + col, rest), mean), scale);
        storeUpTo(hn::MulAdd(x, loadUpTo(weight + col, rest), loadUpTo(bias + col, rest)), output + col, rest);
    }
}

/// x / (1 + exp(t)). Unlike 0.5 x (1 + tanh), it loses no digits where the result is small.
HWY_INLINE Vector divideByOnePlusExp(Vector x, Vector t) {
    // exp(100) is infinite and the quotient zero; Highway's Exp is not meant for more than 104.
    Vector const exponential = hn::Exp(Floats(), hn::Min(t, hn::Set(Floats(), 100.0F)));
    return hn::Div(x, hn::Add(hn::Set(Floats(), 1.0F), exponential));
}

struct Relu {
    static HWY_INLINE Vector apply(Vector x) { return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(Floats())), x); }
};

struct Silu {
    static HWY_INLINE Vector apply(Vector x) { return divideByOnePlusExp(x, hn::Neg(x)); }
};

/// 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)), u = sqrt(2 / pi) (x + 0.044715 x³).
struct GeluTanh {
    static HWY_INLINE Vector apply(Vector x) {
        Vector const cubic = hn::Set(Floats(), static_cast<float>(-2 * 0.7978845608028654 * 0.044715));
        Vector const linear = hn::Set(Floats(), static_cast<float>(-2 * 0.7978845608028654));
        return divideByOnePlusExp(x, hn::Mul(x, hn::MulAdd(cubic, hn::Mul(x, x), linear)));
    }
};

/// x Φ(x), Φ(-|x|) = erfc(t) / 2 with t = |x| / √2. exp(t²) erfc(t) (t + 3) / 2 is smooth in s = (t - 3) / (t + 3): the
/// polynomial is its minimax fit, relative error 2.5e-9. For negative x no digits are lost, as they are in 1 + erf.
struct Gelu {
    static HWY_INLINE Vector apply(Vector x) {
        constexpr float kCOEFFICIENTS[] = {-0.00016175096F, -0.00023983225F, 0.001540518F, -0.0006141452F, -0.01342026F,
            0.059764694F, -0.15523295F, 0.29511413F, -0.44169724F, 0.53700346F};
        Vector const three = hn::Set(Floats(), 3.0F);
        // From 14 on, exp(-t²) is zero.
        Vector const t = hn::Min(hn::Mul(hn::Abs(x), hn::Set(Floats(), 0.70710678F)), hn::Set(Floats(), 14.0F));
        Vector const inverse = hn::Div(hn::Set(Floats(), 1.0F), hn::Add(t, three));
        Vector const s = hn::Mul(hn::Sub(t, three), inverse);
        Vector sum = hn::Zero(Floats());
        for (float const coefficient : kCOEFFICIENTS) {
            sum = hn::MulAdd(sum, s, hn::Set(Floats(), coefficient));
        }
        // t² from x, where it has no rounding of t in it.
        Vector const exponent = hn::Max(hn::Mul(hn::Mul(x, x), hn::Set(Floats(), -0.5F)), hn::Set(Floats(), -200.0F));
        Vector const tail = hn::Mul(hn::Mul(sum, inverse), hn::Exp(Floats(), exponent));
        Vector const share =
            hn::IfThenElse(hn::Lt(x, hn::Zero(Floats())), tail, hn::Sub(hn::Set(Floats(), 1.0F), tail));
        return hn::Mul(x, share);
    }
};

template <class Function> void applyToAll(float* values, float const* gate, std::int64_t count) {
    for (std::int64_t i = 0; i < count; i += kLANES) {
        Vector x = Function::apply(loadUpTo(values + i, count - i));
        x = gate == nullptr ? x : hn::Mul(x, loadUpTo(gate + i, count - i));
        storeUpTo(x, values + i, count - i);
    }
}

void activate(Activation activation, float* values, float const* gate, std::int64_t count) {
    switch (activation) {
    case Activation::kRELU:
        return applyToAll<Relu>(values, gate, count);
    case Activation::kGELU:
        return applyToAll<Gelu>(values, gate, count);
    case Activation::kGELU_TANH:
        return applyToAll<GeluTanh>(values, gate, count);
    case Activation::kSILU:
        return applyToAll<Silu>(values, gate, count);
    }
}

/// NaN compares false with everything, so it never becomes the largest.
HWY_INLINE Vector larger(Vector x, Vector largest) {
    return hn::IfThenElse(hn::Gt(x, largest), x, largest);
}

/// The largest value in all lanes, minus infinity if there are only NaN.
Vector maximum(float const* values, std::int64_t count) {
    Vector const lowest = hn::Set(Floats(), -std::numeric_limits<float>::infinity());
    Vector largest[kSUMS] = {lowest, lowest, lowest, lowest};
    std::int64_t i = 0;
    for (; i + kSUMS * kLANES <= count; i += kSUMS * kLANES) {
#pragma GCC unroll 4
        for (int j = 0; j < kSUMS; ++j) {
            largest[j] = larger(hn::LoadU(Floats(), values + i + j * kLANES), largest[j]);
        }
    }
    Vector const all = larger(larger(largest[0], largest[1]), larger(largest[2], largest[3]));
    float result = hn::GetLane(hn::MaxOfLanes(Floats(), all));
    for (; i < count; ++i) {
        result = values[i] > result ? values[i] : result;
    }
    return hn::Set(Floats(), result);
}

std::int64_t firstAbove(float const* values, std::int64_t count, float threshold) {
    Vector const limit = hn::Set(Floats(), threshold);
    std::int64_t i = 0;
    for (; i + 4 * kLANES <= count; i += 4 * kLANES) {
        auto const first = hn::Gt(hn::LoadU(Floats(), values + i), limit);
        auto const second = hn::Gt(hn::LoadU(Floats(), values + i + kLANES), limit);
        auto const third = hn::Gt(hn::LoadU(Floats(), values + i + 2 * kLANES), limit);
        auto const fourth = hn::Gt(hn::LoadU(Floats(), values + i + 3 * kLANES), limit);
        if (!hn::AllFalse(Floats(), hn::Or(hn::Or(first, second), hn::Or(third, fourth)))) {
            break;
        }
    }
    for (; i + kLANES <= count; i += kLANES) {
        auto const found = hn::FindFirstTrue(Floats(), hn::Gt(hn::LoadU(Floats(), values + i), limit));
        if (found >= 0) {
            return i + found;
        }
    }
    while (i < count && !(values[i] > threshold)) {
        ++i;
    }
    return i;
}

SoftmaxTerms softmaxTerms(float const* values, std::int64_t count) {
    Vector const max = maximum(values, count);
    Vector sums[kSUMS] = {hn::Zero(Floats()), hn::Zero(Floats()), hn::Zero(Floats()), hn::Zero(Floats())};
    std::int64_t i = 0;
    for (; i + kSUMS * kLANES <= count; i += kSUMS * kLANES) {
#pragma GCC unroll 4
        for (int j = 0; j < kSUMS; ++j) {
            Vector const x = hn::LoadU(Floats(), values + i + j * kLANES);
            sums[j] = hn::Add(sums[j], hn::Exp(Floats(), hn::Sub(x, max)));
        }
    }
    for (; i < count; i += kLANES) {
        Vector const term = hn::Exp(Floats(), hn::Sub(loadUpTo(values + i, count - i), max));
        std::int64_t const valid = HWY_MIN(count - i, kLANES);
        sums[0] = hn::Add(sums[0], hn::IfThenElseZero(hn::FirstN(Floats(), static_cast<std::size_t>(valid)), term));
    }
    Vector const sum = hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3]));
    return {hn::GetLane(max), hn::GetLane(hn::SumOfLanes(Floats(), sum))};
}

} // namespace

void fillRows(Kernels& kernels) {
    kernels.rmsNormRow = rmsNormRow;
    kernels.layerNormRow = layerNormRow;
    kernels.activate = activate;
    kernels.firstAbove = firstAbove;
    kernels.softmaxTerms = softmaxTerms;
}

} // namespace embedded::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace embedded::compute {
EMBEDDED_DEFINE_FILL(fillRows);
} // namespace embedded::compute
#endif
