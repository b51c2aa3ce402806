/// RawRequest of lib/raw-request.ts.
#pragma once

#include "napiSetup.h"
#include "requestRegistry.h"

#include <tensorrt_llm/executor/executor.h>

namespace trtllm_node {

struct IncomingRequest {
    tensorrt_llm::executor::Request request;
    /// Null if the Executor does everything.
    RequestRegistry::Extras extras;
};

/// @throws ArgumentError, or what the runtime's classes throw.
[[nodiscard]] IncomingRequest readRequest(Napi::Value const& value);

} // namespace trtllm_node
