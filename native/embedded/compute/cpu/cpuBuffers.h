/// What the CPU backend hands out besides weights and caches.
#pragma once

#include "compute/backend.h"
#include "compute/cpu/alignedMemory.h"
#include "compute/cpu/kernels.h"

#include <algorithm>
#include <vector>

namespace embedded::compute {

class CpuBuffer final : public Buffer {
public:
    explicit CpuBuffer(std::size_t size)
        : mMemory(size * sizeof(float))
        , mSize(size) {}

    [[nodiscard]] float* data() override { return mMemory.as<float>(); }
    [[nodiscard]] float const* data() const override { return mMemory.as<float>(); }
    [[nodiscard]] std::size_t size() const override { return mSize; }

private:
    AlignedMemory mMemory;
    std::size_t mSize;
};

class CpuPositionBias final : public PositionBias {
public:
    CpuPositionBias(std::span<float const> line, SizeType32 maxLength)
        // Kernels read whole vectors, also at the end of the last head's line.
        : mLine(line.size() + static_cast<std::size_t>(kPANEL_WIDTH), 0.0F)
        , mMaxLength(maxLength) {
        std::ranges::copy(line, mLine.begin());
    }

    /// The head's bias at distance 0.
    [[nodiscard]] float const* center(SizeType32 head) const {
        return mLine.data() + head * (2 * std::int64_t{mMaxLength} - 1) + mMaxLength - 1;
    }

private:
    std::vector<float> mLine;
    SizeType32 mMaxLength;
};

} // namespace embedded::compute
