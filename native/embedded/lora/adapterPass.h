/// The adapters of one forward pass.
#pragma once

#include "compute/backend.h"
#include "lora/adapter.h"

#include <span>
#include <vector>

namespace embedded {

/// Consecutive packed rows of requests with one adapter.
struct AdapterRows {
    std::int64_t firstRow;
    std::int64_t numRows;
    Adapter const* adapter;
};

/// Appends rows, to the last run if that has the same adapter and ends where they begin. Does nothing without adapter.
void appendAdapterRows(
    std::vector<AdapterRows>& runs, std::int64_t firstRow, std::int64_t numRows, Adapter const* adapter);

/// Adds the updates of every row's adapter to the products of the pass, all adapters of a product in one operation.
class AdapterPass {
public:
    explicit AdapterPass(compute::Backend& backend)
        : mBackend(backend) {}

    /// @param runs valid until the pass ends; none switches add() off
    void begin(std::span<AdapterRows const> runs) { mRuns = runs; }

    /// After the product of `site` in `layer` (as Adapter counts) has been written.
    /// @param output row r at output + r * outputStride
    void add(SizeType32 layer, LoraSite site, float const* input, float* output, std::int64_t outputStride);

private:
    compute::Backend& mBackend;
    std::span<AdapterRows const> mRuns;
    std::vector<compute::LowRankUpdate> mUpdates; ///< scratch of add()
};

} // namespace embedded
