/// What a request may generate: one of several token sequences, a forced first or last token.
#pragma once

#include "tokenTrie.h"

#include <tensorrt_llm/executor/executor.h>

#include <cstddef>
#include <list>
#include <optional>
#include <span>
#include <vector>

namespace trtllm_node {

struct ConstraintOptions {
    using TokenId = TokenTrie::TokenId;
    std::list<TokenTrie::Sequence> allowedSequences; ///< none: all are allowed
    std::optional<TokenId> forcedFirst;
    std::optional<TokenId> forcedLast;   ///< the token number maxTokens
    TokenTrie::Sequence suppressedFirst; ///< never the first token; with a forced one, never the token after it
    std::optional<TokenId> endId;        ///< ends one of allowedSequences
    std::size_t maxTokens = 0;

    [[nodiscard]] bool any() const {
        return !allowedSequences.empty() || forcedFirst || forcedLast || !suppressedFirst.empty();
    }
};

/// Immutable: any thread may use it.
class Constraints {
public:
    using TokenId = TokenTrie::TokenId;

    explicit Constraints(ConstraintOptions const& options);

    /// Sets the logits of what must not follow `generated` to minus infinity. `scratch` is a buffer to reuse.
    void apply(std::span<TokenId const> generated, std::span<float> logits, std::vector<TokenId>& scratch) const;

private:
    void suppressFirst(std::span<TokenId const> generated, std::span<float> logits) const;
    /// Fills `allowed` in ascending order; false: everything is.
    [[nodiscard]] bool findAllowed(std::span<TokenId const> generated, std::vector<TokenId>& allowed) const;

    std::optional<TokenTrie> mTrie;
    std::optional<TokenId> mForcedFirst;
    std::optional<TokenId> mForcedLast;
    std::optional<TokenId> mEndId;
    TokenTrie::Sequence mSuppressedFirst;
    std::size_t mMaxTokens;
};

} // namespace trtllm_node
