/// Which of Highway's targets are compiled; to be included before any header of Highway.
///
/// The baseline is what x86-64 guarantees: plain C++ or SSE2, depending on the versions of Highway and the compiler.
/// The kernels are not reached through Highway's dispatch, which needs its shared library, but through kernels.h.
#pragma once

// All sets better than AVX2 except plain AVX-512, and SSSE3. (A lower bit is a better set.)
#define HWY_DISABLED_TARGETS (((HWY_AVX2 - 1LL) & ~HWY_AVX3) | HWY_SSSE3)
