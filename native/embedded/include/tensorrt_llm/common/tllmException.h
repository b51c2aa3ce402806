#pragma once

#include <stdexcept>

namespace tensorrt_llm::common {

/// What a failed check throws. what() starts with a code in brackets and goes on with the field, its limit and the
/// value given: "[ERR_INVALID_ARGUMENT] maxTokens must be > 0, got 0".
class TllmException : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

} // namespace tensorrt_llm::common
