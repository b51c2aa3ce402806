/// RawEngineOptions of lib/raw-config.ts.
#pragma once

#include "napiSetup.h"
#include "runtimeExtension.h"

#include <tensorrt_llm/executor/executor.h>

namespace trtllm_node {

struct EngineOptions {
    ModelSource model; ///< what is in memory belongs to the JavaScript object
    tensorrt_llm::executor::ExecutorConfig config;
    RuntimeOptions runtime;
};

/// @throws ArgumentError, or what the runtime's setters throw.
[[nodiscard]] EngineOptions readEngineOptions(Napi::Value const& value);

} // namespace trtllm_node
