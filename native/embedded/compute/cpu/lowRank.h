/// Low-rank updates of matrix products.
#pragma once

#include "compute/backend.h"
#include "compute/cpu/alignedMemory.h"
#include "compute/cpu/kernels.h"

#include <span>
#include <vector>

namespace embedded::compute {

/// Where the product that is updated reads and writes.
struct ProductRows {
    float const* input; ///< rows as wide as every `down`
    float* output;
    std::int64_t outputStride;
};

/// Computes the updates of one call side by side, each by the kernels of the other products: a row's result depends on
/// nothing but the row and its update. Keeps its memory from call to call.
class LowRankProducts {
public:
    void add(
        std::span<LowRankUpdate const> updates, ProductRows const& rows, SizeType32 numThreads, Kernels const& kernels);

private:
    /// Some rows of one update.
    struct Task {
        LowRankUpdate const* update;
        std::int64_t firstRow;
        std::int64_t numRows;
    };

    void divide(std::span<LowRankUpdate const> updates);

    std::vector<Task> mTasks;
    std::int64_t mCost = 0;    ///< of all tasks, in multiply-adds
    std::int64_t mMaxRank = 0; ///< of all tasks
    AlignedMemory mScratch;    ///< down · input, a part for each thread
};

} // namespace embedded::compute
