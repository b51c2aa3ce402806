/// One sequence in the making.
#pragma once

#include "tensorrt_llm/executor/types.h"

#include <vector>

namespace embedded {

struct Beam {
    tensorrt_llm::executor::VecTokens tokens;     ///< decoder prompt and generated tokens, never the end id
    tensorrt_llm::executor::VecLogProbs logProbs; ///< of the generated tokens
    float cumLogProb = 0.0F;                      ///< the end id's step included
    tensorrt_llm::executor::FinishReason finishReason = tensorrt_llm::executor::FinishReason::kNOT_FINISHED;
    /// Of each generated token: which of the beams that were live before the step it continued.
    std::vector<tensorrt_llm::executor::SizeType32> parents{};
};

} // namespace embedded
