#include "compute/cpu/kernels.h"

#include <array>

namespace embedded::compute {

// Each defined in the file of its kernels.
void fillMatmul(Target target, Kernels& kernels);
void fillAttention(Target target, Kernels& kernels);
void fillInt8(Target target, Kernels& kernels);
void fillRows(Target target, Kernels& kernels);
void fillVnni(Kernels& kernels);

namespace {

constexpr std::array kTARGETS{Target::kBASELINE, Target::kSSE4, Target::kAVX2, Target::kAVX512, Target::kAVX512_VNNI};

/// The features that Highway lets the compiler use for the target, besides those of the poorer targets.
bool hasFeaturesOf(Target target) {
    switch (target) {
    case Target::kBASELINE:
        return true;
    case Target::kSSE4:
        return __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("sse4.2")
            && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("aes");
    case Target::kAVX2:
        return __builtin_cpu_supports("avx") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi")
            && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    case Target::kAVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")
            && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
    case Target::kAVX512_VNNI:
        return __builtin_cpu_supports("avx512vnni");
    }
    return false;
}

std::array<Kernels, kTARGETS.size()> makeTables() {
    std::array<Kernels, kTARGETS.size()> tables{};
    for (auto const target : kTARGETS) {
        Kernels& table = tables[static_cast<std::size_t>(target)];
        fillMatmul(target, table);
        fillAttention(target, table);
        fillInt8(target, table);
        fillRows(target, table);
    }
    fillVnni(tables.back());
    return tables;
}

} // namespace

std::vector<Target> supportedTargets() {
    std::vector<Target> supported;
    for (auto const target : kTARGETS) {
        if (!hasFeaturesOf(target)) {
            break;
        }
        supported.push_back(target);
    }
    return supported;
}

Kernels const& kernels(Target target) {
    static auto const tables = makeTables();
    return tables[static_cast<std::size_t>(target)];
}

Kernels const& bestKernels() {
    return kernels(supportedTargets().back());
}

char const* toString(Target target) {
    switch (target) {
    case Target::kBASELINE:
        return "baseline";
    case Target::kSSE4:
        return "SSE4";
    case Target::kAVX2:
        return "AVX2";
    case Target::kAVX512:
        return "AVX-512";
    case Target::kAVX512_VNNI:
        return "AVX-512 VNNI";
    }
    return "?";
}

} // namespace embedded::compute
