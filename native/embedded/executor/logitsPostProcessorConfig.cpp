#include "tensorrt_llm/executor/configs.h"

#include <utility>

namespace tensorrt_llm::executor {

LogitsPostProcessorConfig::LogitsPostProcessorConfig(std::optional<LogitsPostProcessorMap> processorMap,
    std::optional<LogitsPostProcessorBatched> processorBatched, bool replicate)
    : mProcessorMap(std::move(processorMap))
    , mProcessorBatched(std::move(processorBatched))
    , mReplicate(replicate) {}

} // namespace tensorrt_llm::executor
