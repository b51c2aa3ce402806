/// The time as a token id.
#pragma once

#include <chrono>
#include <cstdint>

/// Tenths of a microsecond of the monotonic clock, modulo 2^30 (107 s).
[[nodiscard]] inline std::int32_t stampOf(std::chrono::steady_clock::time_point time) {
    auto const nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
    return static_cast<std::int32_t>(nanoseconds / 100 % (std::int64_t{1} << 30));
}
