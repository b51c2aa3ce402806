#include "constraints.h"

#include <algorithm>
#include <limits>

namespace trtllm_node {
namespace {

constexpr float kFORBIDDEN = -std::numeric_limits<float>::infinity();

/// `allowed` is in ascending order; what is no token of the vocabulary is passed over.
void forbidOthers(std::span<float> logits, std::span<Constraints::TokenId const> allowed) {
    auto begin = logits.begin();
    for (auto const token : allowed) {
        if (token < 0 || static_cast<std::size_t>(token) >= logits.size()) {
            continue;
        }
        auto const kept = logits.begin() + token;
        std::fill(begin, kept, kFORBIDDEN);
        begin = kept + 1;
    }
    std::fill(begin, logits.end(), kFORBIDDEN);
}

} // namespace

Constraints::Constraints(ConstraintOptions const& options)
    : mForcedFirst(options.forcedFirst)
    , mForcedLast(options.forcedLast)
    , mEndId(options.endId)
    , mSuppressedFirst(options.suppressedFirst)
    , mMaxTokens(options.maxTokens) {
    if (!options.allowedSequences.empty()) {
        mTrie.emplace(std::vector(options.allowedSequences.begin(), options.allowedSequences.end()));
    }
}

void Constraints::apply(
    std::span<TokenId const> generated, std::span<float> logits, std::vector<TokenId>& scratch) const {
    suppressFirst(generated, logits);
    scratch.clear();
    if (findAllowed(generated, scratch)) {
        forbidOthers(logits, scratch);
    }
}

void Constraints::suppressFirst(std::span<TokenId const> generated, std::span<float> logits) const {
    if (generated.size() != (mForcedFirst ? 1U : 0U)) {
        return;
    }
    for (auto const token : mSuppressedFirst) {
        if (token >= 0 && static_cast<std::size_t>(token) < logits.size()) {
            logits[static_cast<std::size_t>(token)] = kFORBIDDEN;
        }
    }
}

bool Constraints::findAllowed(std::span<TokenId const> generated, std::vector<TokenId>& allowed) const {
    if (mForcedFirst && generated.empty()) {
        allowed.push_back(*mForcedFirst);
        return true;
    }
    if (mForcedLast && generated.size() + 1 == mMaxTokens) {
        allowed.push_back(*mForcedLast);
        return true;
    }
    if (!mTrie) {
        return false;
    }
    auto const next = mTrie->findNext(generated, allowed);
    // A beam that is none of the sequences (it was forced off by something else) ends.
    if (mEndId && (next.isComplete || !next.isKnown)) {
        allowed.insert(std::ranges::lower_bound(allowed, *mEndId), *mEndId);
    }
    return true;
}

} // namespace trtllm_node
