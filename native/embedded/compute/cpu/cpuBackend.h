/// The operations on this machine's cores.
#pragma once

#include "compute/backend.h"
#include "compute/cpu/alignedMemory.h"
#include "compute/cpu/kernels.h"
#include "compute/cpu/lowRank.h"

#include <vector>

namespace embedded::compute {

/// Divides the work of each operation over the process's thread pool and leaves the arithmetic to the kernels. How it
/// is divided never changes a bit of the result; work that is too little to pay for waking a thread stays on the
/// caller.
class CpuBackend final : public Backend {
public:
    /// REQUIRES: numThreads >= 1; the machine has the kernels' target
    CpuBackend(SizeType32 numThreads, Kernels const& kernels);

    [[nodiscard]] SizeType32 numThreads() const override { return mNumThreads; }

    [[nodiscard]] std::unique_ptr<Matrix> prepareMatrix(
        HostMatrix const& source, WeightType type, HostMatrix const* bias) override;
    [[nodiscard]] std::unique_ptr<Matrix> prepareTable(HostMatrix const& source, WeightType type) override;
    [[nodiscard]] std::unique_ptr<Buffer> prepareVector(HostMatrix const& source, float factor) override;
    [[nodiscard]] std::unique_ptr<PositionBias> preparePositionBias(
        std::span<float const> line, SizeType32 numHeads, SizeType32 maxLength) override;
    [[nodiscard]] std::unique_ptr<Buffer> allocate(std::size_t numFloats) override;
    [[nodiscard]] std::unique_ptr<KvStore> allocateKv(KvShape const& shape) override;

    void embed(Matrix const& table, std::span<TokenIdType const> ids, float factor, float* output) override;
    void embedAdd(Matrix const& table, std::span<SizeType32 const> ids, float* output) override;
    void gatherRows(
        float const* input, std::span<SizeType32 const> rowIndices, std::int64_t cols, float* output) override;
    void rmsNorm(float const* input, Buffer const& weight, float epsilon, std::int64_t rows, std::int64_t cols,
        float* output) override;
    void layerNorm(float const* input, Buffer const& weight, Buffer const& bias, float epsilon, std::int64_t rows,
        std::int64_t cols, float* output) override;
    void matmul(Matrix const& weight, float const* input, std::int64_t rows, float* output) override;
    void matmulAdd(Matrix const& weight, float const* input, std::int64_t rows, float* output) override;
    void addLowRank(
        std::span<LowRankUpdate const> updates, float const* input, float* output, std::int64_t outputStride) override;
    void activate(Activation activation, float* values, float const* gate, std::int64_t count) override;
    void storeKv(KvStore& store, SizeType32 layer, float const* key, float const* value, std::int64_t stride,
        std::span<KvSlot const> slots) override;
    void attend(AttentionCall const& call) override;
    void copyBlocks(KvStore& store, std::span<BlockCopy const> copies) override;
    void copyFromHost(std::span<float const> source, float* destination) override;
    void copyToHost(float const* source, std::span<float> destination) override;
    [[nodiscard]] float* hostRows(float* rows, std::size_t count) override;
    void logNormalizers(float const* logits, std::int64_t vocabSize, std::span<SizeType32 const> rowIndices,
        std::span<float> normalizers) override;
    void largest(float const* logits, std::int64_t vocabSize, std::span<LargestQuery const> queries) override;

private:
    /// Rows `first` … `first + count - 1` of an attention call; they belong to one sequence.
    struct RowGroup {
        std::int64_t first;
        std::int64_t count;
    };

    /// Calls run(begin, end, slot) on ranges that together are [0, count). `costPerItem` is in multiply-adds.
    template <class Run> void divide(std::int64_t count, std::int64_t costPerItem, Run const& run) const;

    /// Input rows as INT8 products take them, in mQuantized.
    struct QuantizedRows {
        void const* values;
        std::int64_t stride; ///< in bytes
        float const* scales;
    };

    void multiply(Matrix const& weight, float const* input, std::int64_t rows, float* output, bool add);
    QuantizedRows quantize(float const* input, std::int64_t rows, std::int64_t cols);
    /// Calls run(part) on parts that together are all rows times all panels.
    template <class Run>
    void divideProduct(std::int64_t cols, std::int64_t numPanels, std::int64_t rows, Run const& run) const;
    void groupRows(std::span<AttentionRow const> rows);
    void attendGroup(
        AttentionCall const& call, RowGroup group, SizeType32 head, float* scratch, std::int64_t scoreStride) const;

    SizeType32 mNumThreads;
    Kernels const& mKernels;
    LowRankProducts mLowRank;
    std::vector<RowGroup> mRowGroups; ///< of the running attention call
    AlignedMemory mQuantized;         ///< scales and rows of the running product
    AlignedMemory mScratch;           ///< scores and sums of the running attention call, a part for each thread
};

} // namespace embedded::compute
