/// A libtensorrt_llm.so of another version, or of another C++ ABI, that can say so and nothing else.
#include "tensorrt_llm/executor/executor.h"

namespace tensorrt_llm::executor {

char const* version() noexcept {
    return STAND_IN_VERSION;
}

void Request::setBadWords(std::list<VecTokens> const&) {}

} // namespace tensorrt_llm::executor
