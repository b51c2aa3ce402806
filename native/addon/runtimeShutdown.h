#pragma once

#include "runtimeExtension.h"

#include <chrono>
#include <future>
#include <memory>

namespace trtllm_node {

/// Shuts a runtime down and frees it, on a thread of its own. Waits for that until the deadline; then the runtime is
/// left to that thread, with a warning on stderr: its last step may take minutes, and nobody shall wait for it.
void shutDownRuntime(std::unique_ptr<RuntimeExecutor> runtime, std::chrono::steady_clock::time_point deadline);

/// Ends the runtime of a rank that is not the leader, on a thread that nobody joins: its shutdown() returns when the
/// leader's does, however long that takes.
[[nodiscard]] std::future<void> followLeader(std::unique_ptr<RuntimeExecutor> runtime);

} // namespace trtllm_node
