/// How many threads are worth having on this machine.
#pragma once

#include "tensorrt_llm/executor/types.h"

#include <filesystem>
#include <optional>

namespace embedded::compute {

using tensorrt_llm::executor::SizeType32;

/// Physical cores that the affinity mask allows, or the cgroup's CPU quota rounded up where that is less; at least 1.
[[nodiscard]] SizeType32 defaultThreadCount();

/// The smallest CPU quota (cgroup v2 or v1) on the way from this process's group to the root, in whole CPUs rounded
/// up. `root` stands for "/", so that a test can lay out its own proc and sys folders.
[[nodiscard]] std::optional<SizeType32> cgroupCpuLimit(std::filesystem::path const& root);

} // namespace embedded::compute
