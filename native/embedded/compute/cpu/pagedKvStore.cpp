#include "compute/cpu/pagedKvStore.h"

#include "compute/cpu/kernels.h"
#include "compute/cpu/rounding.h"

#include <algorithm>
#include <new>
#include <stdexcept>

namespace embedded::compute {

namespace {

KvShape const& checked(KvShape const& shape) {
    if (std::min({shape.numLayers, shape.numHeads, shape.headSize, shape.numBlocks, shape.tokensPerBlock}) < 1) {
        throw std::invalid_argument("a key/value store needs at least one layer, head, feature, block and token");
    }
    if (shape.tokensPerBlock % kPANEL_WIDTH != 0) {
        throw std::invalid_argument("tokensPerBlock must be a multiple of 16");
    }
    return shape;
}

std::size_t product(std::initializer_list<std::int64_t> factors) {
    std::size_t result = 1;
    for (auto const factor : factors) {
        if (__builtin_mul_overflow(result, static_cast<std::size_t>(factor), &result)) {
            throw std::bad_alloc();
        }
    }
    return result;
}

} // namespace

PagedKvStore::PagedKvStore(KvShape const& shape)
    : KvStore(checked(shape))
    , mValueStride(roundUp(shape.headSize, kPANEL_WIDTH))
    , mCellSize((shape.headSize + mValueStride) * shape.tokensPerBlock)
    , mMemory(product({shape.numLayers, shape.numBlocks, shape.numHeads, mCellSize, sizeof(float)})) {}

std::size_t PagedKvStore::bytesPerBlock() const {
    return static_cast<std::size_t>(shape().numLayers * blockStride()) * sizeof(float);
}

float* PagedKvStore::cell(SizeType32 layer, SizeType32 head) const {
    return mMemory.as<float>() + layer * shape().numBlocks * blockStride() + head * mCellSize;
}

void PagedKvStore::write(SizeType32 layer, SizeType32 head, KvSlot slot, float const* key, float const* value) {
    std::int64_t const tokensPerBlock = shape().tokensPerBlock;
    std::int64_t const headSize = shape().headSize;
    float* keys = cell(layer, head) + slot.block * blockStride();
    for (std::int64_t d = 0; d < headSize; ++d) {
        keys[d * tokensPerBlock + slot.offset] = key[d];
    }
    std::copy_n(value, headSize, keys + headSize * tokensPerBlock + slot.offset * mValueStride);
}

} // namespace embedded::compute
