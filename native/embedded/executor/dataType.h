#pragma once

#include "tensorrt_llm/executor/types.h"

#include <array>
#include <cstddef>

namespace tensorrt_llm::executor {

struct DataTypeInfo {
    char const* name;
    std::size_t size; ///< bytes per element; 0 if unknown
};

/// Name and size of an element type; those of kUNKNOWN for a value that is no enumerator.
constexpr DataTypeInfo infoOf(DataType dataType) {
    constexpr std::array<DataTypeInfo, 10> kINFO{{{"BOOL", 1}, {"UINT8", 1}, {"INT8", 1}, {"INT32", 4}, {"INT64", 8},
        {"BF16", 2}, {"FP8", 1}, {"FP16", 2}, {"FP32", 4}, {"UNKNOWN", 0}}};
    auto const index = static_cast<std::size_t>(dataType);
    return index < kINFO.size() ? kINFO[index] : kINFO.back();
}

} // namespace tensorrt_llm::executor
