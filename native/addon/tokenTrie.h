/// The beginnings that a list of token sequences has in common, without nodes: the sequences are sorted, so those with
/// one beginning lie side by side, and the next token splits them further. Immutable: any thread may read it.
#pragma once

#include <tensorrt_llm/executor/executor.h>

#include <cstddef>
#include <span>
#include <vector>

namespace trtllm_node {

class TokenTrie {
public:
    using TokenId = tensorrt_llm::executor::TokenIdType;
    using Sequence = tensorrt_llm::executor::VecTokens;

    explicit TokenTrie(std::vector<Sequence> sequences);

    struct Next {
        bool isComplete = false; ///< the beginning is one of the sequences
        bool isKnown = false;    ///< some sequence begins with it
    };

    /// Appends to `tokens` what may follow `beginning`, in ascending order.
    Next findNext(std::span<TokenId const> beginning, std::vector<TokenId>& tokens) const;

private:
    std::vector<Sequence> mSequences; ///< sorted, each once
};

} // namespace trtllm_node
