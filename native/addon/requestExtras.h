/// RawRequestExtras of lib/raw-request.ts: what the addon itself does for a request, beside what the Executor does.
#pragma once

#include "constraints.h"

#include <tensorrt_llm/executor/executor.h>

#include <cstddef>
#include <optional>

namespace trtllm_node {

struct RequestExtras {
    std::optional<Constraints> constraints;
    /// The key of a logits processor in JavaScript.
    std::optional<double> logitsProcessor;
    /// The end of the decoder prompt, whose log-probabilities are wanted; empty: they are not.
    tensorrt_llm::executor::VecTokens scoreTarget;
    /// Whether the encoder output is wanted as the mean of its rows.
    bool meanEncoderOutput = false;

    std::size_t promptLength = 0;
    std::optional<tensorrt_llm::executor::TokenIdType> endId;

    [[nodiscard]] bool changesLogits() const { return constraints || logitsProcessor; }
};

} // namespace trtllm_node
