/// The executor's statistics as JavaScript objects: RawStats of lib/native.ts.
#pragma once

#include "napiSetup.h"

#include <tensorrt_llm/executor/executor.h>

namespace trtllm_node {

/// Drains what the executor has recorded since the last call: { iterations, requests }.
[[nodiscard]] Napi::Object takeStats(Napi::Env env, tensorrt_llm::executor::Executor& executor);

} // namespace trtllm_node
