#include "decoding/greedy.h"

namespace embedded {

using tensorrt_llm::executor::SizeType32;

std::span<Choice const> GreedySampler::sample(
    float const* logits, SizeType32 vocabSize, std::vector<bool> const& wantsLogProb) {
    auto const numRows = wantsLogProb.size();
    mTokens.resize(numRows);
    mBackend.argmax(logits, static_cast<std::int64_t>(numRows), vocabSize, mTokens);

    mChoices.clear();
    mLogProbRows.clear();
    mLogProbTokens.clear();
    for (std::size_t row = 0; row < numRows; ++row) {
        mChoices.push_back({mTokens[row], 0.0F});
        if (wantsLogProb[row]) {
            mLogProbRows.push_back(static_cast<SizeType32>(row));
            mLogProbTokens.push_back(mTokens[row]);
        }
    }
    mLogProbs.resize(mLogProbRows.size());
    mBackend.tokenLogProbs(logits, vocabSize, mLogProbRows, mLogProbTokens, mLogProbs);
    for (std::size_t i = 0; i < mLogProbRows.size(); ++i) {
        mChoices[static_cast<std::size_t>(mLogProbRows[i])].logProb = mLogProbs[i];
    }
    return mChoices;
}

} // namespace embedded
