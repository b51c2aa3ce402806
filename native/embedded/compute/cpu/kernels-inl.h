// What the kernel files share; compiled once per target, hence no #pragma once.
#if defined(EMBEDDED_KERNELS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef EMBEDDED_KERNELS_INL_H
#undef EMBEDDED_KERNELS_INL_H
#else
#define EMBEDDED_KERNELS_INL_H
#endif

#include "compute/cpu/kernels.h"

#include <cstring>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace embedded::compute::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Vectors of at most one panel; a panel is kVECTORS of them.
using Floats = hn::CappedTag<float, kPANEL_WIDTH>;
using Vector = hn::Vec<Floats>;

inline constexpr std::int64_t kLANES = hn::MaxLanes(Floats());
inline constexpr std::int64_t kVECTORS = kPANEL_WIDTH / kLANES;

/// The first min(count, kLANES) values, the other lanes zero. Nothing past `count` is read.
HWY_INLINE Vector loadUpTo(float const* values, std::int64_t count) {
    if (count >= kLANES) {
        return hn::LoadU(Floats(), values);
    }
    HWY_ALIGN float lanes[kLANES] = {};
    std::memcpy(lanes, values, static_cast<std::size_t>(count) * sizeof(float));
    return hn::Load(Floats(), lanes);
}

/// Writes the first min(count, kLANES) lanes.
HWY_INLINE void storeUpTo(Vector vector, float* values, std::int64_t count) {
    if (count >= kLANES) {
        return hn::StoreU(vector, Floats(), values);
    }
    HWY_ALIGN float lanes[kLANES];
    hn::Store(vector, Floats(), lanes);
    std::memcpy(values, lanes, static_cast<std::size_t>(count) * sizeof(float));
}

} // namespace embedded::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

/// Defines fill(Target, Kernels&) as the choice between the targets' own fill(Kernels&); for the last pass of a file.
#define EMBEDDED_DEFINE_FILL(fill)                                                                                     \
    void fill(Target target, Kernels& kernels) {                                                                       \
        switch (target) {                                                                                              \
        case Target::kAVX512:                                                                                          \
        case Target::kAVX512_VNNI:                                                                                     \
            return N_AVX3::fill(kernels);                                                                              \
        case Target::kAVX2:                                                                                            \
            return N_AVX2::fill(kernels);                                                                              \
        case Target::kSSE4:                                                                                            \
            return N_SSE4::fill(kernels);                                                                              \
        case Target::kBASELINE:                                                                                        \
            return HWY_NAMESPACE::fill(kernels);                                                                       \
        }                                                                                                              \
    }                                                                                                                  \
    static_assert(true, "a semicolon follows")

#endif
