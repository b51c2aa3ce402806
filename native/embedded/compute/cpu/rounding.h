/// Integer divisions that round up.
#pragma once

#include <cstdint>

namespace embedded::compute {

constexpr std::int64_t divideUp(std::int64_t value, std::int64_t divisor) {
    return (value + divisor - 1) / divisor;
}

constexpr std::int64_t roundUp(std::int64_t value, std::int64_t multiple) {
    return divideUp(value, multiple) * multiple;
}

} // namespace embedded::compute
