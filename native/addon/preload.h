/// Opens the libraries of an installed TensorRT-LLM, so that the addon that was compiled for it finds them loaded.
///
/// The dynamic loader takes a library that is loaded already for any later one that asks for its name; so what lies
/// where it does not look (Python packages) is opened by full path, dependencies first. Nothing is ever closed again:
/// the libraries have threads and exit handlers.
#pragma once

#include "napiSetup.h"

namespace trtllm_node {

/// preload(plan: RawPreloadPlan): Promise<void>. The same plan again does nothing.
/// @throws (as rejection) [ERR_RUNTIME_LOAD] with the dynamic loader's words, [ERR_RUNTIME_VERSION]
[[nodiscard]] Napi::Value preload(Napi::CallbackInfo const& info);

/// tryMpi(path): Promise<void>. Starts and ends MPI as an Executor and the end of the process do: it may hang, or end
/// the process, so a process of its own calls it.
/// @throws (as rejection) [ERR_RUNTIME_LOAD]
[[nodiscard]] Napi::Value tryMpi(Napi::CallbackInfo const& info);

} // namespace trtllm_node
