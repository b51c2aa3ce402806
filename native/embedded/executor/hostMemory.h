/// How much memory this process may still take.
#pragma once

#include <cstdint>

namespace embedded {

/// Bytes: the smaller of the system's available memory and what the process's control group leaves.
[[nodiscard]] std::uint64_t availableHostMemory();

} // namespace embedded
