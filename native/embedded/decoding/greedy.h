/// Greedy decoding: the most likely token of each row.
#pragma once

#include "compute/backend.h"

#include <span>
#include <vector>

namespace embedded {

/// What one step chose for one row.
struct Choice {
    tensorrt_llm::executor::TokenIdType token;
    /// Natural logarithm of the token's probability under the whole vocabulary; 0 where it was not asked for.
    float logProb;
};

/// Keeps its scratch between steps.
class GreedySampler {
public:
    explicit GreedySampler(compute::Backend& backend)
        : mBackend(backend) {}

    /// @param logits [wantsLogProb.size(), vocabSize]
    /// @param wantsLogProb per row
    /// @returns one choice per row, valid until the next call
    [[nodiscard]] std::span<Choice const> sample(
        float const* logits, tensorrt_llm::executor::SizeType32 vocabSize, std::vector<bool> const& wantsLogProb);

private:
    compute::Backend& mBackend;
    std::vector<Choice> mChoices;
    std::vector<tensorrt_llm::executor::TokenIdType> mTokens;
    std::vector<tensorrt_llm::executor::SizeType32> mLogProbRows;
    std::vector<tensorrt_llm::executor::TokenIdType> mLogProbTokens;
    std::vector<float> mLogProbs;
};

} // namespace embedded
