/// RawInputTensor of lib/raw-request.ts.
#pragma once

#include "fields.h"

#include <tensorrt_llm/executor/executor.h>

namespace trtllm_node {

/// A Float32Array as a tensor of one dimension; or { shape, data } with an Int32Array and, as data, a Float32Array or,
/// for BOOL, a Uint8Array, in which everything but 0 is true. The values are copied.
template <> struct Reader<tensorrt_llm::executor::Tensor> {
    static tensorrt_llm::executor::Tensor read(Napi::Value const& value, std::string const& path);
};

} // namespace trtllm_node
