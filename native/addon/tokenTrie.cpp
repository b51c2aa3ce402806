#include "tokenTrie.h"

#include <algorithm>
#include <ranges>
#include <utility>

namespace trtllm_node {

TokenTrie::TokenTrie(std::vector<Sequence> sequences)
    : mSequences(std::move(sequences)) {
    std::ranges::sort(mSequences);
    auto const repeated = std::ranges::unique(mSequences);
    mSequences.erase(repeated.begin(), repeated.end());
}

TokenTrie::Next TokenTrie::findNext(std::span<TokenId const> beginning, std::vector<TokenId>& tokens) const {
    std::span<Sequence const> found = mSequences;
    for (std::size_t i = 0; i < beginning.size(); ++i) {
        // One that ends here does not go on; it is the first, since a beginning sorts before what continues it.
        if (!found.empty() && found.front().size() == i) {
            found = found.subspan(1);
        }
        found =
            std::ranges::equal_range(found, beginning[i], {}, [i](Sequence const& sequence) { return sequence[i]; });
    }
    Next next{.isComplete = false, .isKnown = !found.empty()};
    std::size_t const depth = beginning.size();
    if (next.isKnown && found.front().size() == depth) {
        next.isComplete = true;
        found = found.subspan(1);
    }
    auto const tokenHere = [depth](Sequence const& sequence) { return sequence[depth]; };
    while (!found.empty()) {
        tokens.push_back(tokenHere(found.front()));
        found = std::span(std::ranges::upper_bound(found, tokens.back(), {}, tokenHere), found.end());
    }
    return next;
}

} // namespace trtllm_node
