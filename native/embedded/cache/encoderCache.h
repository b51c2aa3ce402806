/// Encoder reuse: equal inputs share one encoder pass and one set of cross-attention blocks.
#pragma once

#include "cache/encodedInput.h"

#include <cstdint>
#include <list>
#include <unordered_map>

namespace embedded {

/// Remembers encoded inputs while a request uses them and, up to a bound, afterwards: least recently used first out.
///
/// An input that no request uses is *retained*: its blocks count as free, and makeRoom() gives them back before anybody
/// waits. Belongs to the engine thread.
class EncoderCache {
public:
    /// @param maxRetained most inputs kept after their last use; 0 switches reuse off altogether
    EncoderCache(BlockPool& pool, SizeType32 maxRetained);

    /// The remembered input, or null. Finding is not using: it counts nothing and keeps nothing.
    [[nodiscard]] EncodedInputPtr find(EncoderInput const& input) const;

    /// Counts a hit and marks the input as most recently used.
    void reuse(EncodedInputPtr const& encoded);

    /// Remembers an input that was not there and counts a miss. REQUIRES: find() gives null.
    void insert(EncodedInputPtr const& encoded);

    /// Drops retained inputs, oldest first, until the pool has that many free blocks.
    void makeRoom(SizeType32 numBlocks);

    /// Drops what is retained beyond the bound. To be called when requests have ended.
    void trim();

    /// Forgets everything; inputs in use live on with their requests.
    void clear();

    /// Whether no request uses the input: only this cache and, if `alsoHeldBy` is 1, the caller's pointer hold it.
    [[nodiscard]] static bool isRetained(EncodedInputPtr const& encoded, long alsoHeldBy = 0) {
        return encoded.use_count() == 1 + alsoHeldBy;
    }

    [[nodiscard]] SizeType32 numRetainedBlocks() const;
    [[nodiscard]] std::uint64_t numHits() const { return mNumHits; }
    [[nodiscard]] std::uint64_t numMisses() const { return mNumMisses; }
    /// Blocks that hits did not have to fill.
    [[nodiscard]] std::uint64_t numReusedBlocks() const { return mNumReusedBlocks; }

private:
    using Entries = std::list<EncodedInputPtr>;

    [[nodiscard]] static std::size_t hashOf(EncoderInput const& input);
    [[nodiscard]] Entries::iterator locate(EncoderInput const& input) const;
    void drop(Entries::iterator entry);

    BlockPool& mPool;
    SizeType32 mMaxRetained;
    mutable Entries mEntries; ///< most recently used first
    std::unordered_multimap<std::size_t, Entries::iterator> mByHash;
    std::uint64_t mNumHits = 0;
    std::uint64_t mNumMisses = 0;
    std::uint64_t mNumReusedBlocks = 0;
};

} // namespace embedded
