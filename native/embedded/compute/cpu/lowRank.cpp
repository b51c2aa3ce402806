#include "compute/cpu/lowRank.h"

#include "compute/cpu/preparedMatrix.h"
#include "compute/cpu/rounding.h"
#include "compute/cpu/threadPool.h"

#include <algorithm>

namespace embedded::compute {

namespace {

/// Rows of one task: enough for the widest tile of rows, few enough for all threads to find work.
constexpr std::int64_t kTASK_ROWS = 8;

/// Multiply-adds from which waking a second thread pays.
constexpr std::int64_t kMIN_SHARED_COST = 64 * 1024;

void multiply(
    Kernels const& kernels, PreparedMatrix const& matrix, ProductRows const& rows, std::int64_t numRows, bool add) {
    auto* const kernel = matrix.type() == WeightType::kFP32 ? kernels.matmulFp32 : kernels.matmulBf16;
    kernel({matrix.panels(), matrix.panelStride(), matrix.bias(), matrix.cols(), matrix.rows(), rows.input, rows.output,
               rows.outputStride, add},
        {0, numRows, 0, matrix.numPanels()});
}

} // namespace

void LowRankProducts::divide(std::span<LowRankUpdate const> updates) {
    mTasks.clear();
    mCost = 0;
    mMaxRank = 0;
    for (auto const& update : updates) {
        for (std::int64_t row = 0; row < update.numRows; row += kTASK_ROWS) {
            mTasks.push_back({&update, update.firstRow + row, std::min(kTASK_ROWS, update.numRows - row)});
        }
        mCost += update.numRows * update.down->rows() * (update.down->cols() + update.up->rows());
        mMaxRank = std::max(mMaxRank, update.down->rows());
    }
}

void LowRankProducts::add(
    std::span<LowRankUpdate const> updates, ProductRows const& rows, SizeType32 numThreads, Kernels const& kernels) {
    divide(updates);
    auto const slotSize = kTASK_ROWS * roundUp(mMaxRank, kPANEL_WIDTH);
    auto const scratchBytes = static_cast<std::size_t>(numThreads * slotSize) * sizeof(float);
    if (mScratch.bytes() < scratchBytes) {
        mScratch = AlignedMemory(scratchBytes);
    }
    auto const numWorkers = mCost < kMIN_SHARED_COST ? 1 : numThreads;
    ThreadPool::instance().parallelFor(numWorkers, std::ssize(mTasks), [&](std::int64_t index, SizeType32 slot) {
        auto const& [update, firstRow, numRows] = mTasks[static_cast<std::size_t>(index)];
        auto const& down = static_cast<PreparedMatrix const&>(*update->down);
        auto const& up = static_cast<PreparedMatrix const&>(*update->up);
        float* const inner = mScratch.as<float>() + slot * slotSize;
        float* const output = rows.output + firstRow * rows.outputStride + update->outputOffset;
        multiply(kernels, down, {rows.input + firstRow * down.cols(), inner, down.rows()}, numRows, false);
        multiply(kernels, up, {inner, output, rows.outputStride}, numRows, true);
    });
}

} // namespace embedded::compute
