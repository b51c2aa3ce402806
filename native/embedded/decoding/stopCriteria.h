/// When a sequence ends.
#pragma once

#include "tensorrt_llm/executor/types.h"

namespace embedded {

/// The end id goes before the length limit, as in the Executor.
/// @param isEnd whether the token just chosen is the request's end id
/// @param numGenerated tokens generated so far, the end id not counted
[[nodiscard]] constexpr tensorrt_llm::executor::FinishReason finishAfter(
    bool isEnd, tensorrt_llm::executor::SizeType32 numGenerated, tensorrt_llm::executor::SizeType32 maxNewTokens) {
    using tensorrt_llm::executor::FinishReason;
    if (isEnd) {
        return FinishReason::kEND_ID;
    }
    return numGenerated >= maxNewTokens ? FinishReason::kLENGTH : FinishReason::kNOT_FINISHED;
}

} // namespace embedded
