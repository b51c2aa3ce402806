/// What a response brings beside tokens: tensors, and numbers that the addon computes from them. Taken out before the
/// pump takes its lock, since it may last.
#pragma once

#include "requestExtras.h"

#include <tensorrt_llm/executor/executor.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace trtllm_node {

/// A part of a float32 tensor on the host.
struct NamedTensor {
    char const* name;   ///< of its field in Result
    std::uint32_t beam; ///< the row of the response that it belongs to
    std::vector<std::uint32_t> shape;
    tensorrt_llm::executor::Tensor tensor;
    std::size_t offset = 0; ///< of its first element
};

struct ResponseExtract {
    /// If not empty, the response becomes this error.
    std::string failure;
    /// With RequestExtras::scoreTarget: the log-probability of each target token, and of the end id if there is one.
    std::vector<float> scores;
    std::vector<NamedTensor> tensors;
};

/// `extras` may be null. Rows of logits may be longer than the vocabulary, which has `vocabSize` tokens.
[[nodiscard]] ResponseExtract extract(
    tensorrt_llm::executor::Response const& response, RequestExtras const* extras, std::size_t vocabSize);

} // namespace trtllm_node
