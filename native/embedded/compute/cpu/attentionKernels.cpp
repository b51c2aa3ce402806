// Softmax attention over paged keys and values. Keys lie transposed in their block, so the lanes of a score vector are
// keys; the lanes of the weighted sum are features. Lanes past numKeys may hold anything, NaN included: they are
// computed but never looked at.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/cpu/attentionKernels.cpp"
#include "compute/cpu/targets.h"

#include <hwy/foreach_target.h>

#include "compute/cpu/kernels-inl.h"

#include <hwy/contrib/math/math-inl.h>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace embedded::compute::HWY_NAMESPACE {
namespace {

/// Panels of 16 keys that a score tile takes at once, and vectors of features that a value tile takes at once.
constexpr int scorePanels(int rows) {
    return rows == 1 || kLANES == 16 ? 2 : 1;
}
constexpr int valueVectors(int rows) {
    return rows == 1 ? (kLANES == 8 ? 8 : 4) : (kLANES == 16 ? 4 : 2);
}

/// scores[row][key] = query[row] · key, for kPanels * 16 keys from `keys` on.
template <int kRows, int kPanels>
void scoreTile(AttentionTask const& task, float const* query, float const* keys, float* scores) {
    constexpr int kSums = static_cast<int>(kPanels * kVECTORS);
    Vector sums[kRows][kSums];
#pragma GCC unroll 16
    for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 16
        for (int i = 0; i < kSums; ++i) {
            sums[row][i] = hn::Zero(Floats());
        }
    }
    for (std::int64_t d = 0; d < task.headSize; ++d) {
#pragma GCC unroll 16
        for (int row = 0; row < kRows; ++row) {
            Vector const x = hn::Set(Floats(), query[row * task.queryStride + d]);
#pragma GCC unroll 16
            for (int i = 0; i < kSums; ++i) {
                sums[row][i] =
                    hn::MulAdd(x, hn::Load(Floats(), keys + d * task.tokensPerBlock + i * kLANES), sums[row][i]);
            }
        }
    }
#pragma GCC unroll 16
    for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 16
        for (int i = 0; i < kSums; ++i) {
            hn::Store(sums[row][i], Floats(), scores + row * task.scoreStride + i * kLANES);
        }
    }
}

/// Scores of kRows rows for the first `numKeys` keys of a block, a multiple of 16.
template <int kRows>
void scoreBlock(AttentionTask const& task, float const* query, float const* keys, std::int64_t numKeys, float* scores) {
    constexpr std::int64_t kWide = scorePanels(kRows) * kPANEL_WIDTH;
    std::int64_t key = 0;
    for (; key + kWide <= numKeys; key += kWide) {
        scoreTile<kRows, scorePanels(kRows)>(task, query, keys + key, scores + key);
    }
    for (; key < numKeys; key += kPANEL_WIDTH) {
        scoreTile<kRows, 1>(task, query, keys + key, scores + key);
    }
}

std::int64_t largestNumKeys(AttentionTask const& task) {
    std::int64_t largest = 0;
    for (std::int64_t row = 0; row < task.numRows; ++row) {
        largest = HWY_MAX(largest, std::int64_t{task.rows[row].numKeys});
    }
    return largest;
}

void computeScores(AttentionTask const& task, std::int64_t numKeys) {
    for (std::int64_t first = 0; first < numKeys; first += task.tokensPerBlock) {
        float const* keys = task.blocks + task.rows[0].blocks[first / task.tokensPerBlock] * task.blockStride;
        std::int64_t const rest = (numKeys - first + kPANEL_WIDTH - 1) / kPANEL_WIDTH * kPANEL_WIDTH;
        std::int64_t const count = HWY_MIN(rest, task.tokensPerBlock);
        if (task.numRows == kQUERY_ROWS) {
            scoreBlock<kQUERY_ROWS>(task, task.query, keys, count, task.scores + first);
            continue;
        }
        for (std::int64_t row = 0; row < task.numRows; ++row) {
            scoreBlock<1>(
                task, task.query + row * task.queryStride, keys, count, task.scores + row * task.scoreStride + first);
        }
    }
}

/// Hides the keys that the row's mask leaves out.
void applyMask(AttentionRow const& row, float* scores) {
    for (std::int64_t key = 0; key < row.numKeys; ++key) {
        if (!row.mask[key]) {
            scores[key] = -std::numeric_limits<float>::infinity();
        }
    }
}

/// Replaces the scores of one row by exp(scale * score + bias - max), zero from numKeys to the end of the vector;
/// returns one over their sum.
float softmaxRow(AttentionTask const& task, AttentionRow const& row, float* scores) {
    if (row.mask != nullptr) {
        applyMask(row, scores);
    }
    Vector const scale = hn::Set(Floats(), task.scale);
    Vector const lowest = hn::Set(Floats(), -std::numeric_limits<float>::infinity());
    float const* bias = task.bias == nullptr ? nullptr : task.bias - row.position;
    Vector largest = lowest;
    for (std::int64_t key = 0; key < row.numKeys; key += kLANES) {
        Vector score = hn::Load(Floats(), scores + key);
        score = bias == nullptr ? hn::Mul(score, scale) : hn::MulAdd(score, scale, hn::LoadU(Floats(), bias + key));
        if (row.numKeys - key < kLANES) {
            auto const valid = hn::FirstN(Floats(), static_cast<std::size_t>(row.numKeys - key));
            score = hn::IfThenElse(valid, score, lowest);
        }
        largest = hn::Max(largest, score);
        hn::Store(score, Floats(), scores + key);
    }
    Vector const max = hn::MaxOfLanes(Floats(), largest);
    Vector sum = hn::Zero(Floats());
    for (std::int64_t key = 0; key < row.numKeys; key += kLANES) {
        Vector const term = hn::Exp(Floats(), hn::Sub(hn::Load(Floats(), scores + key), max));
        sum = hn::Add(sum, term);
        hn::Store(term, Floats(), scores + key);
    }
    return 1.0F / hn::GetLane(hn::SumOfLanes(Floats(), sum));
}

/// sums[row] += Σ scores[row][key] * values[key] over `numKeys` keys, for kVectors vectors of features.
template <int kRows, int kVectors>
void valueTile(AttentionTask const& task, float const* scores, float const* values, std::int64_t numKeys, float* out) {
    Vector sums[kRows][kVectors];
#pragma GCC unroll 16
    for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 16
        for (int i = 0; i < kVectors; ++i) {
            sums[row][i] = hn::Load(Floats(), out + row * task.valueStride + i * kLANES);
        }
    }
    for (std::int64_t key = 0; key < numKeys; ++key) {
#pragma GCC unroll 16
        for (int row = 0; row < kRows; ++row) {
            Vector const score = hn::Set(Floats(), scores[row * task.scoreStride + key]);
#pragma GCC unroll 16
            for (int i = 0; i < kVectors; ++i) {
                sums[row][i] =
                    hn::MulAdd(score, hn::Load(Floats(), values + key * task.valueStride + i * kLANES), sums[row][i]);
            }
        }
    }
#pragma GCC unroll 16
    for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 16
        for (int i = 0; i < kVectors; ++i) {
            hn::Store(sums[row][i], Floats(), out + row * task.valueStride + i * kLANES);
        }
    }
}

template <int kRows>
void valueBlock(AttentionTask const& task, float const* scores, float const* values, std::int64_t numKeys, float* out) {
    constexpr std::int64_t kWide = valueVectors(kRows) * kLANES;
    std::int64_t feature = 0;
    for (; feature + kWide <= task.valueStride; feature += kWide) {
        valueTile<kRows, valueVectors(kRows)>(task, scores, values + feature, numKeys, out + feature);
    }
    for (; feature < task.valueStride; feature += kLANES) {
        valueTile<kRows, 1>(task, scores, values + feature, numKeys, out + feature);
    }
}

/// Keys that all rows see are added for all rows at once, the others row by row: a score is never multiplied by a value
/// that its row does not see.
void addValues(AttentionTask const& task, std::int64_t numKeys) {
    for (std::int64_t first = 0; first < numKeys; first += task.tokensPerBlock) {
        float const* values = task.blocks + task.rows[0].blocks[first / task.tokensPerBlock] * task.blockStride
            + task.headSize * task.tokensPerBlock;
        std::int64_t counts[kQUERY_ROWS];
        std::int64_t common = task.tokensPerBlock;
        for (std::int64_t row = 0; row < task.numRows; ++row) {
            counts[row] = HWY_MAX(HWY_MIN(task.rows[row].numKeys - first, task.tokensPerBlock), std::int64_t{0});
            common = HWY_MIN(common, counts[row]);
        }
        if (task.numRows == kQUERY_ROWS) {
            valueBlock<kQUERY_ROWS>(task, task.scores + first, values, common, task.sums);
        } else {
            common = 0;
        }
        for (std::int64_t row = 0; row < task.numRows; ++row) {
            if (counts[row] > common) {
                valueBlock<1>(task, task.scores + row * task.scoreStride + first + common,
                    values + common * task.valueStride, counts[row] - common, task.sums + row * task.valueStride);
            }
        }
    }
}

void attend(AttentionTask const& task) {
    std::int64_t const numKeys = largestNumKeys(task);
    computeScores(task, numKeys);
    float factors[kQUERY_ROWS];
    for (std::int64_t row = 0; row < task.numRows; ++row) {
        factors[row] = softmaxRow(task, task.rows[row], task.scores + row * task.scoreStride);
    }
    std::memset(task.sums, 0, static_cast<std::size_t>(task.numRows * task.valueStride) * sizeof(float));
    addValues(task, numKeys);
    for (std::int64_t row = 0; row < task.numRows; ++row) {
        Vector const factor = hn::Set(Floats(), factors[row]);
        float* output = task.output + row * task.outputStride;
        for (std::int64_t feature = 0; feature < task.headSize; feature += kLANES) {
            Vector const sum = hn::Load(Floats(), task.sums + row * task.valueStride + feature);
            storeUpTo(hn::Mul(sum, factor), output + feature, task.headSize - feature);
        }
    }
}

} // namespace

void fillAttention(Kernels& kernels) {
    kernels.attend = attend;
}

} // namespace embedded::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace embedded::compute {
EMBEDDED_DEFINE_FILL(fillAttention);
} // namespace embedded::compute
#endif
