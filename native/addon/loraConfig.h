/// RawLoraConfig of lib/raw-request.ts: the adapter of a request, with its tensors where the request brings them.
#pragma once

#include "fields.h"

#include <tensorrt_llm/executor/executor.h>

namespace trtllm_node {

/// The tensors are copied into memory of their own.
template <> struct Reader<tensorrt_llm::executor::LoraConfig> {
    static tensorrt_llm::executor::LoraConfig read(Napi::Value const& value, std::string const& path);
};

} // namespace trtllm_node
