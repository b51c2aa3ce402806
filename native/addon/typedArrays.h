/// Vectors as JavaScript's typed arrays.
#pragma once

#include "napiSetup.h"

#include <algorithm>
#include <vector>

namespace trtllm_node {

/// A copy.
template <typename T> [[nodiscard]] Napi::Value toTypedArray(Napi::Env env, std::vector<T> const& values) {
    auto array = Napi::TypedArrayOf<T>::New(env, values.size());
    std::copy(values.begin(), values.end(), array.Data());
    return array;
}

} // namespace trtllm_node
