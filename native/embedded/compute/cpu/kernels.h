/// The inner loops of the CPU backend, compiled once per instruction set and reached through a table of functions.
///
/// Kernels run on one thread, allocate nothing and reduce in an order that depends only on the row at hand.
#pragma once

#include "compute/backend.h"

#include <cstdint>
#include <vector>

namespace embedded::compute {

/// Instruction sets, from the poorest.
enum class Target { kBASELINE, kSSE4, kAVX2, kAVX512, kAVX512_VNNI };

/// Output features in one panel of a prepared matrix, keys in one step of attention: the lanes of the widest vector.
inline constexpr std::int64_t kPANEL_WIDTH = 16;

/// Consecutive k of an INT8 weight that lie together.
inline constexpr std::int64_t kINT8_GROUP = 4;

/// Query rows of one sequence that attention handles together.
inline constexpr std::int64_t kQUERY_ROWS = 4;

/// output [rows, outputs] = input [rows, cols] · panelsᵀ + bias, or added to it. The layout of `panels` and `bias` is
/// PreparedMatrix's.
struct MatmulCall {
    void const* panels;
    std::int64_t panelStride; ///< from one panel to the next, in values of 4 bytes
    float const* bias;        ///< [outputs] and zeros up to the end of the last panel
    std::int64_t cols;
    std::int64_t outputs;
    float const* input;
    float* output;
    std::int64_t outputStride; ///< from one output row to the next, at least `outputs`
    bool add;
};

/// The same for INT8 weights and rows from quantizeRow(): exact integer sums, times both scales.
struct Int8Call {
    void const* panels;
    std::int64_t panelStride; ///< in bytes
    float const* scales;      ///< as `bias`
    float const* bias;
    std::int32_t const* totals; ///< Σ weight of each output, as `bias`
    std::int64_t cols;
    std::int64_t outputs;
    void const* input;
    std::int64_t inputStride; ///< in bytes
    float const* inputScales; ///< [rows]
    float* output;
    std::int64_t outputStride; ///< as in MatmulCall
    bool add;
};

/// The part of a product that one task computes.
struct MatmulPart {
    std::int64_t rowBegin;
    std::int64_t rowEnd;
    std::int64_t panelBegin;
    std::int64_t panelEnd;
};

/// Up to kQUERY_ROWS rows of one sequence and one head. The layout of the blocks is PagedKvStore's.
struct AttentionTask {
    AttentionRow const* rows;
    std::int64_t numRows;
    float const* query; ///< [numRows, headSize], rows `queryStride` apart
    std::int64_t queryStride;
    float* output; ///< [numRows, headSize], rows `outputStride` apart
    std::int64_t outputStride;
    float const* blocks; ///< this head's part of block 0; block b lies b * blockStride further
    std::int64_t blockStride;
    std::int64_t tokensPerBlock;
    std::int64_t headSize;
    std::int64_t valueStride; ///< headSize rounded up to kPANEL_WIDTH
    float scale;
    float const* bias;        ///< this head's bias at distance 0, readable kPANEL_WIDTH past its end; null: none
    float* scores;            ///< scratch [numRows, scoreStride]
    std::int64_t scoreStride; ///< the largest numKeys rounded up to kPANEL_WIDTH
    float* sums;              ///< scratch [numRows, valueStride]
};

/// softmax(x)[i] = exp(x[i] - max) / sum.
struct SoftmaxTerms {
    float max;
    float sum;
};

struct Kernels {
    void (*matmulFp32)(MatmulCall const& call, MatmulPart const& part);
    void (*matmulBf16)(MatmulCall const& call, MatmulPart const& part);
    void (*matmulInt8)(Int8Call const& call, MatmulPart const& part);
    /// Writes `cols` values as matmulInt8 reads them, `quantizedBytes` each; returns their scale. The output has room
    /// for a multiple of kPANEL_WIDTH values.
    float (*quantizeRow)(float const* input, std::int64_t cols, void* output);
    std::int64_t quantizedBytes;
    void (*attend)(AttentionTask const& task);
    void (*rmsNormRow)(float const* input, float const* weight, float epsilon, std::int64_t cols, float* output);
    void (*layerNormRow)(
        float const* input, float const* weight, float const* bias, float epsilon, std::int64_t cols, float* output);
    void (*activate)(Activation activation, float* values, float const* gate, std::int64_t count);
    /// Index of the first value above the threshold, `count` if there is none. NaN is above nothing.
    std::int64_t (*firstAbove)(float const* values, std::int64_t count, float threshold);
    SoftmaxTerms (*softmaxTerms)(float const* values, std::int64_t count);
};

/// The instruction sets that this machine has, from the poorest.
[[nodiscard]] std::vector<Target> supportedTargets();

/// REQUIRES: the machine has `target`.
[[nodiscard]] Kernels const& kernels(Target target);

[[nodiscard]] Kernels const& bestKernels();

[[nodiscard]] char const* toString(Target target);

} // namespace embedded::compute
