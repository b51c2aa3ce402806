#pragma once

#include "runtimeExtension.h"

#include <chrono>
#include <memory>

namespace trtllm_node {

/// Shuts a runtime down and frees it, on a thread of its own. Waits for that until the deadline; then the runtime is
/// left to that thread, with a warning on stderr: its last step may take minutes, and nobody shall wait for it.
void shutDownRuntime(std::unique_ptr<RuntimeExecutor> runtime, std::chrono::steady_clock::time_point deadline);

} // namespace trtllm_node
