/// What this runtime tells beside the API.
#pragma once

#include "tensorrt_llm/executor/executor.h"

#include <chrono>
#include <optional>

namespace tensorrt_llm::executor {

struct ResponseAccess {
    using TimePoint = std::chrono::steady_clock::time_point;
    /// When the encoder pass of the request was over.
    [[nodiscard]] static std::optional<TimePoint> encodedTime(Response const& response);
    static void setEncodedTime(Response& response, TimePoint time);
    /// Beam search: generated tokens at the beginning of the first beam that no later response changes.
    [[nodiscard]] static std::optional<SizeType32> stableLength(Response const& response);
    static void setStableLength(Response& response, SizeType32 length);
};

} // namespace tensorrt_llm::executor
