/// What this runtime tells beside the API: when the encoder pass of a request was over.
#pragma once

#include "tensorrt_llm/executor/executor.h"

#include <chrono>
#include <optional>

namespace tensorrt_llm::executor {

struct ResponseAccess {
    using TimePoint = std::chrono::steady_clock::time_point;
    [[nodiscard]] static std::optional<TimePoint> encodedTime(Response const& response);
    static void setEncodedTime(Response& response, TimePoint time);
};

} // namespace tensorrt_llm::executor
