/// What an engine tells of itself, as JavaScript objects: RawLimits, RawSnapshot and RawStats of lib/native.ts.
#pragma once

#include "napiSetup.h"
#include "runtimeExtension.h"

#include <tensorrt_llm/executor/executor.h>

namespace trtllm_node {

[[nodiscard]] Napi::Object toJs(Napi::Env env, RuntimeLimits const& limits);
[[nodiscard]] Napi::Object toJs(Napi::Env env, RuntimeSnapshot const& snapshot);

/// Drains what the runtime has recorded since the last call: { iterations, requests }.
[[nodiscard]] Napi::Object takeStats(Napi::Env env, RuntimeExecutor& runtime);

} // namespace trtllm_node
