/// RawRequest of lib/native.ts.
#pragma once

#include "napiSetup.h"

#include <tensorrt_llm/executor/executor.h>

namespace trtllm_node {

/// @throws ArgumentError, or what the runtime's classes throw.
[[nodiscard]] tensorrt_llm::executor::Request readRequest(Napi::Value const& value);

} // namespace trtllm_node
