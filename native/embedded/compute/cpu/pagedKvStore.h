/// Keys and values in the CPU's memory.
#pragma once

#include "compute/backend.h"
#include "compute/cpu/alignedMemory.h"

namespace embedded::compute {

/// One mapping of [layer][block][head] cells. A cell holds the keys of its block transposed, so that a vector takes one
/// feature of many keys, then the values:
///   keys [headSize][tokensPerBlock], values [tokensPerBlock][headSize rounded up to kPANEL_WIDTH]
class PagedKvStore final : public KvStore {
public:
    /// @throws std::invalid_argument for a size below 1 or blocks that are no multiple of kPANEL_WIDTH tokens,
    /// std::bad_alloc if there is not so much address space
    explicit PagedKvStore(KvShape const& shape);

    [[nodiscard]] std::size_t bytesPerBlock() const override;

    /// Floats from one value to the next.
    [[nodiscard]] std::int64_t valueStride() const { return mValueStride; }
    /// Floats from one block of a layer to the next.
    [[nodiscard]] std::int64_t blockStride() const { return mCellSize * shape().numHeads; }
    /// The cell of block 0.
    [[nodiscard]] float* cell(SizeType32 layer, SizeType32 head) const;

    /// Writes one head's key and value, headSize floats each.
    void write(SizeType32 layer, SizeType32 head, KvSlot slot, float const* key, float const* value);

private:
    std::int64_t mValueStride;
    std::int64_t mCellSize;
    AlignedMemory mMemory;
};

} // namespace embedded::compute
