#include "lora/adapterPass.h"

namespace embedded {

void appendAdapterRows(
    std::vector<AdapterRows>& runs, std::int64_t firstRow, std::int64_t numRows, Adapter const* adapter) {
    if (adapter == nullptr) {
        return;
    }
    if (!runs.empty() && runs.back().adapter == adapter && runs.back().firstRow + runs.back().numRows == firstRow) {
        runs.back().numRows += numRows;
    } else {
        runs.push_back({firstRow, numRows, adapter});
    }
}

void AdapterPass::add(SizeType32 layer, LoraSite site, float const* input, float* output, std::int64_t outputStride) {
    mUpdates.clear();
    for (auto const& run : mRuns) {
        for (auto const& update : run.adapter->updates(layer, site)) {
            mUpdates.push_back({run.firstRow, run.numRows, update.down, update.up, update.outputOffset});
        }
    }
    if (!mUpdates.empty()) {
        mBackend.addLowRank(mUpdates, input, output, outputStride);
    }
}

} // namespace embedded
