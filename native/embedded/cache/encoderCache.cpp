#include "cache/encoderCache.h"

#include <algorithm>
#include <functional>
#include <string_view>

namespace embedded {

using tensorrt_llm::executor::VecTokens;

EncoderCache::EncoderCache(BlockPool& pool, SizeType32 maxRetained)
    : mPool(pool)
    , mMaxRetained(maxRetained) {}

std::size_t EncoderCache::hashOf(VecTokens const& tokens) {
    auto const* const bytes = reinterpret_cast<char const*>(tokens.data());
    return std::hash<std::string_view>{}({bytes, tokens.size() * sizeof(tokens[0])});
}

EncoderCache::Entries::iterator EncoderCache::locate(VecTokens const& tokens) const {
    auto const [first, last] = mByHash.equal_range(hashOf(tokens));
    auto const found = std::find_if(first, last, [&](auto const& entry) { return (*entry.second)->tokens == tokens; });
    return found == last ? mEntries.end() : found->second;
}

EncodedInputPtr EncoderCache::find(VecTokens const& tokens) const {
    auto const entry = locate(tokens);
    return entry == mEntries.end() ? nullptr : *entry;
}

void EncoderCache::reuse(EncodedInputPtr const& input) {
    ++mNumHits;
    mNumReusedBlocks += static_cast<std::uint64_t>(input->blocks.numBlocks());
    mEntries.splice(mEntries.begin(), mEntries, locate(input->tokens));
}

void EncoderCache::insert(EncodedInputPtr const& input) {
    if (mMaxRetained == 0) {
        return;
    }
    ++mNumMisses;
    mEntries.push_front(input);
    mByHash.emplace(hashOf(input->tokens), mEntries.begin());
}

void EncoderCache::drop(Entries::iterator entry) {
    auto const [first, last] = mByHash.equal_range(hashOf((*entry)->tokens));
    mByHash.erase(std::find_if(first, last, [&](auto const& candidate) { return candidate.second == entry; }));
    mEntries.erase(entry);
}

void EncoderCache::makeRoom(SizeType32 numBlocks) {
    for (auto entry = mEntries.end(); entry != mEntries.begin() && mPool.numFree() < numBlocks;) {
        auto const candidate = std::prev(entry);
        if (isRetained(*candidate)) {
            drop(candidate);
        } else {
            entry = candidate;
        }
    }
}

void EncoderCache::trim() {
    SizeType32 numRetained = 0;
    for (auto entry = mEntries.begin(); entry != mEntries.end();) {
        auto const current = entry++;
        numRetained += isRetained(*current) ? 1 : 0;
        if (isRetained(*current) && numRetained > mMaxRetained) {
            drop(current);
        }
    }
}

void EncoderCache::clear() {
    mByHash.clear();
    mEntries.clear();
}

SizeType32 EncoderCache::numRetainedBlocks() const {
    SizeType32 blocks = 0;
    for (auto const& input : mEntries) {
        blocks += isRetained(input) ? input->blocks.numBlocks() : 0;
    }
    return blocks;
}

} // namespace embedded
