#include "tensorrt_llm/executor/executor.h"

namespace tensorrt_llm::executor {

char const* version() noexcept {
    return "1.2.1";
}

} // namespace tensorrt_llm::executor
