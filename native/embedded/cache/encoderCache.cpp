#include "cache/encoderCache.h"

#include <algorithm>
#include <functional>
#include <string_view>

namespace embedded {

EncoderCache::EncoderCache(BlockPool& pool, SizeType32 maxRetained)
    : mPool(pool)
    , mMaxRetained(maxRetained) {}

/// By the tokens alone: one text with many adapters is rare.
std::size_t EncoderCache::hashOf(EncoderInput const& input) {
    auto const* const bytes = reinterpret_cast<char const*>(input.tokens.data());
    return std::hash<std::string_view>{}({bytes, input.tokens.size() * sizeof(input.tokens[0])});
}

EncoderCache::Entries::iterator EncoderCache::locate(EncoderInput const& input) const {
    auto const [first, last] = mByHash.equal_range(hashOf(input));
    auto const found = std::find_if(first, last, [&](auto const& entry) { return (*entry.second)->input == input; });
    return found == last ? mEntries.end() : found->second;
}

EncodedInputPtr EncoderCache::find(EncoderInput const& input) const {
    auto const entry = locate(input);
    return entry == mEntries.end() ? nullptr : *entry;
}

void EncoderCache::reuse(EncodedInputPtr const& encoded) {
    ++mNumHits;
    mNumReusedBlocks += static_cast<std::uint64_t>(encoded->blocks.numBlocks());
    mEntries.splice(mEntries.begin(), mEntries, locate(encoded->input));
}

void EncoderCache::insert(EncodedInputPtr const& encoded) {
    if (mMaxRetained == 0) {
        return;
    }
    ++mNumMisses;
    mEntries.push_front(encoded);
    mByHash.emplace(hashOf(encoded->input), mEntries.begin());
}

void EncoderCache::drop(Entries::iterator entry) {
    auto const [first, last] = mByHash.equal_range(hashOf((*entry)->input));
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
    for (auto const& encoded : mEntries) {
        blocks += isRetained(encoded) ? encoded->blocks.numBlocks() : 0;
    }
    return blocks;
}

} // namespace embedded
