#include "compute/cpu/cpuBackend.h"

#include "compute/cpu/cpuBuffers.h"
#include "compute/cpu/cpuInfo.h"
#include "compute/cpu/pagedKvStore.h"
#include "compute/cpu/preparedMatrix.h"
#include "compute/cpu/rounding.h"
#include "compute/cpu/threadPool.h"
#include "compute/largest.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace embedded::compute {

namespace {

/// Multiply-adds that a task should have at least (a few microseconds), and tasks per thread that even out cores of
/// different speed.
constexpr std::int64_t kMIN_TASK_COST = 32 * 1024;
constexpr std::int64_t kTASKS_PER_THREAD = 4;

/// What one value costs in multiply-adds, roughly.
constexpr std::int64_t kEXP_COST = 16;
constexpr std::int64_t kCOPY_COST = 2;
constexpr std::int64_t kSCATTER_COST = 8;

/// Input rows that stay in the second-level cache while the panels of a task pass by, in floats.
constexpr std::int64_t kROW_BLOCK_FLOATS = 128 * 1024;
/// Rows of a block are whole tiles of most kernels, and panels of a task are whole groups.
constexpr std::int64_t kROW_MULTIPLE = 24;
constexpr std::int64_t kPANEL_MULTIPLE = 4;

} // namespace

CpuBackend::CpuBackend(SizeType32 numThreads, Kernels const& kernels)
    : mNumThreads(numThreads)
    , mKernels(kernels) {}

std::unique_ptr<Matrix> CpuBackend::prepareMatrix(HostMatrix const& source, WeightType type, HostMatrix const* bias) {
    return std::make_unique<PreparedMatrix>(source, type, bias, mNumThreads);
}

std::unique_ptr<Matrix> CpuBackend::prepareTable(HostMatrix const& source, WeightType type) {
    return std::make_unique<PreparedTable>(source, type, mNumThreads);
}

std::unique_ptr<Buffer> CpuBackend::prepareVector(HostMatrix const& source, float factor) {
    checkSource(source);
    auto buffer = allocate(static_cast<std::size_t>(source.rows * source.cols));
    std::span<float> const values(buffer->data(), buffer->size());
    readValues(source, 0, source.rows * source.cols, values.data());
    std::ranges::transform(values, values.begin(), [factor](float value) { return value * factor; });
    return buffer;
}

std::unique_ptr<PositionBias> CpuBackend::preparePositionBias(
    std::span<float const> line, SizeType32 numHeads, SizeType32 maxLength) {
    if (numHeads < 1 || maxLength < 1
        || line.size() != static_cast<std::size_t>(numHeads * (2 * std::int64_t{maxLength} - 1))) {
        throw std::invalid_argument("a position bias must have numHeads * (2 * maxLength - 1) values");
    }
    return std::make_unique<CpuPositionBias>(line, maxLength);
}

std::unique_ptr<Buffer> CpuBackend::allocate(std::size_t numFloats) {
    return std::make_unique<CpuBuffer>(numFloats);
}

std::unique_ptr<KvStore> CpuBackend::allocateKv(KvShape const& shape) {
    return std::make_unique<PagedKvStore>(shape);
}

template <class Run> void CpuBackend::divide(std::int64_t count, std::int64_t costPerItem, Run const& run) const {
    std::int64_t const smallest = divideUp(kMIN_TASK_COST, costPerItem);
    std::int64_t const size = std::max(smallest, divideUp(count, mNumThreads * kTASKS_PER_THREAD));
    ThreadPool::instance().parallelFor(mNumThreads, divideUp(count, size),
        [&](std::int64_t task, SizeType32 slot) { run(task * size, std::min((task + 1) * size, count), slot); });
}

void CpuBackend::embed(Matrix const& table, std::span<TokenIdType const> ids, float factor, float* output) {
    auto const& rows = static_cast<PreparedTable const&>(table);
    divide(std::ssize(ids), kCOPY_COST * rows.cols(), [&](std::int64_t begin, std::int64_t end, SizeType32) {
        for (std::int64_t i = begin; i < end; ++i) {
            rows.readRow(ids[static_cast<std::size_t>(i)], factor, output + i * rows.cols());
        }
    });
}

void CpuBackend::embedAdd(Matrix const& table, std::span<SizeType32 const> ids, float* output) {
    auto const& rows = static_cast<PreparedTable const&>(table);
    divide(std::ssize(ids), kCOPY_COST * rows.cols(), [&](std::int64_t begin, std::int64_t end, SizeType32) {
        for (std::int64_t i = begin; i < end; ++i) {
            rows.addRow(ids[static_cast<std::size_t>(i)], output + i * rows.cols());
        }
    });
}

void CpuBackend::gatherRows(
    float const* input, std::span<SizeType32 const> rowIndices, std::int64_t cols, float* output) {
    for (auto const row : rowIndices) {
        output = std::copy_n(input + row * cols, cols, output);
    }
}

void CpuBackend::rmsNorm(
    float const* input, Buffer const& weight, float epsilon, std::int64_t rows, std::int64_t cols, float* output) {
    auto const normalizeRows = [&](std::int64_t begin, std::int64_t end, SizeType32) {
        for (std::int64_t row = begin; row < end; ++row) {
            mKernels.rmsNormRow(input + row * cols, weight.data(), epsilon, cols, output + row * cols);
        }
    };
    divide(rows, kCOPY_COST * cols, normalizeRows);
}

void CpuBackend::layerNorm(float const* input, Buffer const& weight, Buffer const& bias, float epsilon,
    std::int64_t rows, std::int64_t cols, float* output) {
    divide(rows, 2 * kCOPY_COST * cols, [&](std::int64_t begin, std::int64_t end, SizeType32) {
        for (std::int64_t row = begin; row < end; ++row) {
            mKernels.layerNormRow(input + row * cols, weight.data(), bias.data(), epsilon, cols, output + row * cols);
        }
    });
}

void CpuBackend::matmul(Matrix const& weight, float const* input, std::int64_t rows, float* output) {
    multiply(weight, input, rows, output, false);
}

void CpuBackend::matmulAdd(Matrix const& weight, float const* input, std::int64_t rows, float* output) {
    multiply(weight, input, rows, output, true);
}

void CpuBackend::multiply(Matrix const& weight, float const* input, std::int64_t rows, float* output, bool add) {
    if (rows == 0) {
        return;
    }
    auto const& matrix = static_cast<PreparedMatrix const&>(weight);
    if (matrix.type() == WeightType::kINT8) {
        auto const [quantized, stride, scales] = quantize(input, rows, matrix.cols());
        Int8Call const call{matrix.panels(), matrix.panelStride() * 4, matrix.scales(), matrix.bias(), matrix.totals(),
            matrix.cols(), matrix.rows(), quantized, stride, scales, output, matrix.rows(), add};
        return divideProduct(
            matrix.cols(), matrix.numPanels(), rows, [&](MatmulPart const& part) { mKernels.matmulInt8(call, part); });
    }
    auto* const kernel = matrix.type() == WeightType::kFP32 ? mKernels.matmulFp32 : mKernels.matmulBf16;
    MatmulCall const call{matrix.panels(), matrix.panelStride(), matrix.bias(), matrix.cols(), matrix.rows(), input,
        output, matrix.rows(), add};
    divideProduct(matrix.cols(), matrix.numPanels(), rows, [&](MatmulPart const& part) { kernel(call, part); });
}

CpuBackend::QuantizedRows CpuBackend::quantize(float const* input, std::int64_t rows, std::int64_t cols) {
    std::int64_t const stride = roundUp(cols, kPANEL_WIDTH) * mKernels.quantizedBytes;
    std::int64_t const scaleBytes = roundUp(rows, kPANEL_WIDTH) * std::int64_t{sizeof(float)};
    auto const bytes = static_cast<std::size_t>(scaleBytes + rows * stride);
    if (mQuantized.bytes() < bytes) {
        mQuantized = AlignedMemory(bytes + bytes / 2);
    }
    auto* const scales = mQuantized.as<float>();
    auto* const values = mQuantized.as<std::byte>() + scaleBytes;
    divide(rows, kCOPY_COST * cols, [&](std::int64_t begin, std::int64_t end, SizeType32) {
        for (std::int64_t row = begin; row < end; ++row) {
            scales[row] = mKernels.quantizeRow(input + row * cols, cols, values + row * stride);
        }
    });
    return {values, stride, scales};
}

template <class Run>
void CpuBackend::divideProduct(std::int64_t cols, std::int64_t numPanels, std::int64_t rows, Run const& run) const {
    std::int64_t const rowsInBlock = roundUp(divideUp(kROW_BLOCK_FLOATS, cols), kROW_MULTIPLE);
    std::int64_t const numRowBlocks = divideUp(rows, rowsInBlock);
    std::int64_t const panelCost = std::min(rows, rowsInBlock) * cols * kPANEL_WIDTH;
    std::int64_t const wantedTasks = divideUp(mNumThreads * kTASKS_PER_THREAD, numRowBlocks);
    std::int64_t const panelsInTask =
        roundUp(std::max(divideUp(kMIN_TASK_COST, panelCost), divideUp(numPanels, wantedTasks)), kPANEL_MULTIPLE);
    std::int64_t const numPanelBlocks = divideUp(numPanels, panelsInTask);

    ThreadPool::instance().parallelFor(mNumThreads, numRowBlocks * numPanelBlocks, [&](std::int64_t task, SizeType32) {
        std::int64_t const row = task / numPanelBlocks * rowsInBlock;
        std::int64_t const panel = task % numPanelBlocks * panelsInTask;
        run({row, std::min(row + rowsInBlock, rows), panel, std::min(panel + panelsInTask, numPanels)});
    });
}

void CpuBackend::addLowRank(
    std::span<LowRankUpdate const> updates, float const* input, float* output, std::int64_t outputStride) {
    mLowRank.add(updates, {input, output, outputStride}, mNumThreads, mKernels);
}

void CpuBackend::activate(Activation activation, float* values, float const* gate, std::int64_t count) {
    // In lines of whole vectors, so that only the last task has a rest.
    auto const activateLines = [&](std::int64_t begin, std::int64_t end, SizeType32) {
        std::int64_t const first = begin * kPANEL_WIDTH;
        mKernels.activate(activation, values + first, gate == nullptr ? nullptr : gate + first,
            std::min(end * kPANEL_WIDTH, count) - first);
    };
    divide(divideUp(count, kPANEL_WIDTH), kEXP_COST * kPANEL_WIDTH, activateLines);
}

void CpuBackend::storeKv(KvStore& store, SizeType32 layer, float const* key, float const* value, std::int64_t stride,
    std::span<KvSlot const> slots) {
    auto& paged = static_cast<PagedKvStore&>(store);
    std::int64_t const headSize = store.shape().headSize;
    // Divided by heads: tokens of one block share cache lines, heads do not.
    auto const storeHeads = [&](std::int64_t begin, std::int64_t end, SizeType32) {
        for (std::int64_t head = begin; head < end; ++head) {
            std::int64_t offset = head * headSize;
            for (auto const& slot : slots) {
                paged.write(layer, static_cast<SizeType32>(head), slot, key + offset, value + offset);
                offset += stride;
            }
        }
    };
    if (!slots.empty()) {
        divide(store.shape().numHeads, kSCATTER_COST * headSize * std::ssize(slots), storeHeads);
    }
}

void CpuBackend::groupRows(std::span<AttentionRow const> rows) {
    mRowGroups.clear();
    for (std::int64_t row = 0; row < std::ssize(rows); ++row) {
        bool const joins = !mRowGroups.empty() && mRowGroups.back().count < kQUERY_ROWS
            && rows[static_cast<std::size_t>(row)].blocks == rows[static_cast<std::size_t>(row) - 1].blocks;
        if (joins) {
            ++mRowGroups.back().count;
        } else {
            mRowGroups.push_back({row, 1});
        }
    }
}

void CpuBackend::attend(AttentionCall const& call) {
    if (call.rows.empty()) {
        return;
    }
    groupRows(call.rows);
    auto const& store = static_cast<PagedKvStore const&>(*call.store);
    std::int64_t const numHeads = store.shape().numHeads;
    std::int64_t numKeys = 0;
    std::int64_t totalKeys = 0;
    for (auto const& row : call.rows) {
        numKeys = std::max<std::int64_t>(numKeys, row.numKeys);
        totalKeys += row.numKeys;
    }
    std::int64_t const scoreStride = roundUp(numKeys, kPANEL_WIDTH);
    std::int64_t const slotSize = kQUERY_ROWS * (scoreStride + store.valueStride());
    auto const scratchBytes = static_cast<std::size_t>(mNumThreads * slotSize) * sizeof(float);
    if (mScratch.bytes() < scratchBytes) {
        mScratch = AlignedMemory(scratchBytes + scratchBytes / 2);
    }
    std::int64_t const numTasks = std::ssize(mRowGroups) * numHeads;
    std::int64_t const rowCost = totalKeys / std::ssize(mRowGroups) * (2 * store.shape().headSize + kEXP_COST);
    divide(numTasks, rowCost, [&](std::int64_t begin, std::int64_t end, SizeType32 slot) {
        float* scratch = mScratch.as<float>() + slot * slotSize;
        for (std::int64_t task = begin; task < end; ++task) {
            auto const group = mRowGroups[static_cast<std::size_t>(task / numHeads)];
            attendGroup(call, group, static_cast<SizeType32>(task % numHeads), scratch, scoreStride);
        }
    });
}

void CpuBackend::attendGroup(
    AttentionCall const& call, RowGroup group, SizeType32 head, float* scratch, std::int64_t scoreStride) const {
    auto const& store = static_cast<PagedKvStore const&>(*call.store);
    std::int64_t const headSize = store.shape().headSize;
    std::int64_t const outputStride = headSize * store.shape().numHeads;
    auto const* bias = static_cast<CpuPositionBias const*>(call.bias);
    mKernels.attend({
        .rows = &call.rows[static_cast<std::size_t>(group.first)],
        .numRows = group.count,
        .query = call.query + group.first * call.queryStride + head * headSize,
        .queryStride = call.queryStride,
        .output = call.output + group.first * outputStride + head * headSize,
        .outputStride = outputStride,
        .blocks = store.cell(call.layer, head),
        .blockStride = store.blockStride(),
        .tokensPerBlock = store.shape().tokensPerBlock,
        .headSize = headSize,
        .valueStride = store.valueStride(),
        .scale = call.scale,
        .bias = bias == nullptr ? nullptr : bias->center(head),
        .scores = scratch,
        .scoreStride = scoreStride,
        .sums = scratch + kQUERY_ROWS * scoreStride,
    });
}

void CpuBackend::copyBlocks(KvStore& store, std::span<BlockCopy const> copies) {
    auto const& paged = static_cast<PagedKvStore const&>(store);
    std::int64_t const numCopies = std::ssize(copies);
    auto const copyParts = [&](std::int64_t begin, std::int64_t end, SizeType32) {
        for (std::int64_t part = begin; part < end; ++part) {
            auto const [from, to] = copies[static_cast<std::size_t>(part % numCopies)];
            float* const layer = paged.cell(static_cast<SizeType32>(part / numCopies), 0);
            std::copy_n(layer + from * paged.blockStride(), paged.blockStride(), layer + to * paged.blockStride());
        }
    };
    divide(numCopies * store.shape().numLayers, kCOPY_COST * paged.blockStride(), copyParts);
}

void CpuBackend::copyFromHost(std::span<float const> source, float* destination) {
    std::ranges::copy(source, destination);
}

void CpuBackend::copyToHost(float const* source, std::span<float> destination) {
    std::copy_n(source, destination.size(), destination.data());
}

float* CpuBackend::hostRows(float* rows, std::size_t) {
    return rows;
}

void CpuBackend::logNormalizers(
    float const* logits, std::int64_t vocabSize, std::span<SizeType32 const> rowIndices, std::span<float> normalizers) {
    divide(std::ssize(rowIndices), kEXP_COST * vocabSize, [&](std::int64_t begin, std::int64_t end, SizeType32) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
            SoftmaxTerms const terms = mKernels.softmaxTerms(logits + rowIndices[i] * vocabSize, vocabSize);
            normalizers[i] = terms.max + std::log(terms.sum);
        }
    });
}

void CpuBackend::largest(float const* logits, std::int64_t vocabSize, std::span<LargestQuery const> queries) {
    divide(std::ssize(queries), vocabSize, [&](std::int64_t begin, std::int64_t end, SizeType32) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
            std::span const row(logits + queries[i].row * vocabSize, static_cast<std::size_t>(vocabSize));
            selectLargest(row, queries[i].best, mKernels.firstAbove);
        }
    });
}

std::unique_ptr<Backend> makeCpuBackend(SizeType32 numThreads) {
    return std::make_unique<CpuBackend>(numThreads > 0 ? numThreads : defaultThreadCount(), bestKernels());
}

} // namespace embedded::compute
