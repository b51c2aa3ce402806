/// The operations that a model is made of, on buffers that a backend owns.
///
/// This is the only door to the hardware: `model/` and `decoding/` call these operations and never look inside a
/// weight, an activation or a cache block, so that a CUDA backend can stand in for the CPU one. Token ids, block
/// tables and lengths are plain host arrays; every `float*` belongs to the backend's memory.
///
/// Thread-safety: load-time calls may come from any one thread; the step calls of one Backend come from one thread at
/// a time (its engine thread). Two Backends are independent.
///
/// Determinism: each output row is a function of its own input rows only, reduced in an order that depends neither on
/// the number of rows in the call nor on the number of threads. The same request gives the same bits in any batch.
#pragma once

#include "compute/hostMatrix.h"

#include "tensorrt_llm/executor/types.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace embedded::compute {

using tensorrt_llm::executor::SizeType32;
using tensorrt_llm::executor::TokenIdType;

/// How the values of a prepared matrix are stored. The arithmetic is FP32; with kINT8 a product first rounds each input
/// row to integers of its own scale (largest magnitude / 127), sums integers exactly, and applies the scales of row and
/// output in FP32. Tables know no kINT8.
enum class WeightType { kFP32, kBF16, kINT8 };

[[nodiscard]] constexpr std::size_t bytesPerWeight(WeightType type) {
    return type == WeightType::kFP32 ? 4 : type == WeightType::kBF16 ? 2 : 1;
}

/// kGELU is x Φ(x), by the error function; kGELU_TANH is its approximation by tanh.
enum class Activation { kRELU, kGELU, kGELU_TANH, kSILU };

/// Weights, and a bias where there is one, in the layout that the backend's matrix product wants. Immutable after
/// Backend::prepareMatrix.
class Matrix {
public:
    virtual ~Matrix() = default;
    [[nodiscard]] std::int64_t rows() const { return mRows; }
    [[nodiscard]] std::int64_t cols() const { return mCols; }

protected:
    Matrix(std::int64_t rows, std::int64_t cols)
        : mRows(rows)
        , mCols(cols) {}

private:
    std::int64_t mRows;
    std::int64_t mCols;
};

/// Uninitialised FP32 memory of the backend, 64-byte aligned.
class Buffer {
public:
    virtual ~Buffer() = default;
    [[nodiscard]] virtual float* data() = 0;
    [[nodiscard]] virtual float const* data() const = 0;
    /// Number of floats.
    [[nodiscard]] virtual std::size_t size() const = 0;
};

/// Geometry of a paged key/value store.
struct KvShape {
    SizeType32 numLayers;
    SizeType32 numHeads;
    SizeType32 headSize;
    SizeType32 numBlocks;
    SizeType32 tokensPerBlock; ///< a multiple of 16
};

/// Keys and values of all layers in blocks of `tokensPerBlock` tokens, FP32. One block id addresses the same block in
/// every layer. Memory is reserved at once and committed by the operating system on first write.
class KvStore {
public:
    virtual ~KvStore() = default;
    [[nodiscard]] KvShape const& shape() const { return mShape; }
    /// Bytes of one block over all layers, keys and values together.
    [[nodiscard]] virtual std::size_t bytesPerBlock() const = 0;

protected:
    explicit KvStore(KvShape const& shape)
        : mShape(shape) {}

private:
    KvShape mShape;
};

/// Where one row's key and value go: token `offset` of block `block`.
struct KvSlot {
    SizeType32 block;
    SizeType32 offset;
};

/// A block to be copied within one store.
struct BlockCopy {
    SizeType32 from;
    SizeType32 to;
};

/// Additive attention bias by distance, shared by the heads' rows: value(head, key, query) = line[head][key - query].
/// Built from [numHeads, 2 * maxLength - 1] floats, index key - query + maxLength - 1.
class PositionBias {
public:
    virtual ~PositionBias() = default;
};

/// One query row: it sees the keys 0 … numKeys-1 of the sequence whose blocks are listed.
struct AttentionRow {
    SizeType32 const* blocks;   ///< ceil(numKeys / tokensPerBlock) block ids; rows of one sequence share the pointer
    SizeType32 numKeys;         ///< at least 1
    SizeType32 position;        ///< position of the query in its sequence, for the bias
    bool const* mask = nullptr; ///< [numKeys], false: not seen; one at least is true. Null: all are seen
};

/// A low-rank update of a matrix product for consecutive rows: output[r] += up · (down · input[r]).
struct LowRankUpdate {
    std::int64_t firstRow;
    std::int64_t numRows;
    Matrix const* down;        ///< [rank, input width]
    Matrix const* up;          ///< [outputs, rank]
    std::int64_t outputOffset; ///< first of the output features that `up` adds to
};

struct AttentionCall {
    float const* query; ///< [rows, numHeads * headSize], row r at query + r * queryStride
    std::int64_t queryStride;
    float* output; ///< [rows, numHeads * headSize], dense
    std::span<AttentionRow const> rows;
    KvStore const* store;
    SizeType32 layer;
    float scale;              ///< factor on query · key
    PositionBias const* bias; ///< null: none
};

/// One value of a row and its place.
struct Candidate {
    TokenIdType token;
    float value;
};

/// The largest values of one row are wanted, as many as `best` has room for (1 to the vocabulary's size).
struct LargestQuery {
    SizeType32 row;
    std::span<Candidate> best;
};

class Backend {
public:
    virtual ~Backend() = default;

    /// Most threads that one operation uses.
    [[nodiscard]] virtual SizeType32 numThreads() const = 0;

    // ---- load time ----------------------------------------------------------------------------------------------

    /// Copies a weight into the layout of matmul(). FP16, FP8 and INT8 sources keep their exact values with kFP32
    /// alone, INT8 also with kINT8.
    /// @param bias one value for each row of the weight, kept in FP32; null: none
    [[nodiscard]] virtual std::unique_ptr<Matrix> prepareMatrix(
        HostMatrix const& source, WeightType type, HostMatrix const* bias) = 0;

    /// Copies a weight into the layout of embed().
    [[nodiscard]] virtual std::unique_ptr<Matrix> prepareTable(HostMatrix const& source, WeightType type) = 0;

    /// Copies a vector (norm weights) to FP32, each value times `factor`.
    [[nodiscard]] virtual std::unique_ptr<Buffer> prepareVector(HostMatrix const& source, float factor) = 0;

    /// `line` is [numHeads, 2 * maxLength - 1], see PositionBias.
    [[nodiscard]] virtual std::unique_ptr<PositionBias> preparePositionBias(
        std::span<float const> line, SizeType32 numHeads, SizeType32 maxLength) = 0;

    [[nodiscard]] virtual std::unique_ptr<Buffer> allocate(std::size_t numFloats) = 0;
    [[nodiscard]] virtual std::unique_ptr<KvStore> allocateKv(KvShape const& shape) = 0;

    // ---- step ---------------------------------------------------------------------------------------------------

    /// output[r] = factor * table[ids[r]], as FP32 [ids.size(), table.cols()]. Ids are valid rows.
    virtual void embed(Matrix const& table, std::span<TokenIdType const> ids, float factor, float* output) = 0;

    /// output[r] += table[ids[r]].
    virtual void embedAdd(Matrix const& table, std::span<SizeType32 const> ids, float* output) = 0;

    /// output[r] = input[rowIndices[r]], rows of `cols` floats; input and output do not overlap.
    virtual void gatherRows(
        float const* input, std::span<SizeType32 const> rowIndices, std::int64_t cols, float* output) = 0;

    /// output = input / sqrt(mean(input²) + epsilon) * weight for each row. May run in place.
    virtual void rmsNorm(float const* input, Buffer const& weight, float epsilon, std::int64_t rows, std::int64_t cols,
        float* output) = 0;

    /// output = (input - mean) / sqrt(variance + epsilon) * weight + bias for each row; the variance is the mean of the
    /// squared distances. May run in place.
    virtual void layerNorm(float const* input, Buffer const& weight, Buffer const& bias, float epsilon,
        std::int64_t rows, std::int64_t cols, float* output) = 0;

    /// output [rows, weight.rows()] = input [rows, weight.cols()] · weightᵀ + the weight's bias, if it has one.
    virtual void matmul(Matrix const& weight, float const* input, std::int64_t rows, float* output) = 0;

    /// As matmul(), added to what `output` holds (the residual).
    virtual void matmulAdd(Matrix const& weight, float const* input, std::int64_t rows, float* output) = 0;

    /// Applies low-rank updates to rows of what a matrix product wrote. No two updates share an output value.
    /// @param input [rows, width of every `down`]
    /// @param output row r at output + r * outputStride
    virtual void addLowRank(
        std::span<LowRankUpdate const> updates, float const* input, float* output, std::int64_t outputStride) = 0;

    /// values = activation(values), or activation(values) * gate where `gate` is not null; `count` floats.
    virtual void activate(Activation activation, float* values, float const* gate, std::int64_t count) = 0;

    /// Writes row r of `key` and `value` (row r at base + r * stride, numHeads * headSize floats) to slots[r].
    virtual void storeKv(KvStore& store, SizeType32 layer, float const* key, float const* value, std::int64_t stride,
        std::span<KvSlot const> slots) = 0;

    /// Softmax attention of each row over the keys that it sees.
    virtual void attend(AttentionCall const& call) = 0;

    /// Copies whole blocks: block copies[i].to becomes equal to copies[i].from in every layer. The copies happen in no
    /// order: no block may be written twice, or both read and written.
    virtual void copyBlocks(KvStore& store, std::span<BlockCopy const> copies) = 0;

    /// Copies host memory to the backend.
    virtual void copyFromHost(std::span<float const> source, float* destination) = 0;

    /// Copies backend memory to the host.
    virtual void copyToHost(float const* source, std::span<float> destination) = 0;

    // ---- rows of logits, in host memory -------------------------------------------------------------------------

    /// The same values in host memory, to be read and changed until the next step; on the CPU the memory itself.
    [[nodiscard]] virtual float* hostRows(float* rows, std::size_t count) = 0;

    /// normalizers[i] = log Σ exp(logits[rowIndices[i]]): what to subtract for log-probabilities. Minus infinity and
    /// NaN count as probability 0; a row of nothing else gives minus infinity.
    virtual void logNormalizers(float const* logits, std::int64_t vocabSize, std::span<SizeType32 const> rowIndices,
        std::span<float> normalizers) = 0;

    /// Fills `best` of each query: the largest first, the lower index first among equals. NaN counts as minus infinity.
    virtual void largest(float const* logits, std::int64_t vocabSize, std::span<LargestQuery const> queries) = 0;
};

/// The CPU backend with at most `numThreads` threads of the process-wide pool (0: min of physical cores, affinity and
/// cgroup quota).
[[nodiscard]] std::unique_ptr<Backend> makeCpuBackend(SizeType32 numThreads);

} // namespace embedded::compute
