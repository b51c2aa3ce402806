/// RawEngineOptions of lib/native.ts.
#pragma once

#include "napiSetup.h"
#include "runtimeExtension.h"

#include <tensorrt_llm/executor/executor.h>

#include <filesystem>

namespace trtllm_node {

struct EngineOptions {
    std::filesystem::path encoderPath; ///< empty: a decoder-only model
    std::filesystem::path decoderPath;
    tensorrt_llm::executor::ExecutorConfig config;
    RuntimeOptions runtime;
};

/// @throws ArgumentError, or what the runtime's setters throw.
[[nodiscard]] EngineOptions readEngineOptions(Napi::Value const& value);

} // namespace trtllm_node
