/// The parts that encoder and decoder layers share, on packed rows [tokens, hidden].
#pragma once

#include "compute/backend.h"
#include "lora/adapterPass.h"
#include "model/modelConfig.h"
#include "model/weights.h"

#include <memory>
#include <span>
#include <vector>

namespace embedded {

/// Scratch of one forward pass over at most `maxTokens` packed rows; committed as far as it is used.
struct Workspace {
    Workspace(ModelConfig const& config, SizeType32 maxTokens, compute::Backend& backend);

    VectorPtr hidden;    ///< [maxTokens, H], the residual stream
    VectorPtr normed;    ///< [maxTokens, H]
    VectorPtr projected; ///< [maxTokens, 3A]: fused query, key and value, or the cross query
    VectorPtr attended;  ///< [maxTokens, A]
    VectorPtr fc;        ///< [maxTokens, F]
    VectorPtr gate;      ///< [maxTokens, F], null unless gated
};

/// Runs the operations of a layer on the rows of a workspace. A sublayer f does hidden += f(norm(hidden)), or
/// hidden = norm(hidden + f(hidden)) in models that normalise after it.
class LayerRunner {
public:
    LayerRunner(ModelConfig const& config, SizeType32 maxTokens, compute::Backend& backend);

    /// hidden = norm(scale * tokens[ids] + positions[position of each row]), without the parts that the model has not;
    /// sets the number of rows and their adapters for the calls that follow. REQUIRES: as many rows as ids
    void embed(EmbeddingWeights const& weights, std::span<compute::TokenIdType const> ids,
        std::span<compute::AttentionRow const> rows, std::span<AdapterRows const> adapters);

    /// The sublayers that follow belong to this layer, as Adapter counts.
    void beginLayer(SizeType32 adapterLayer) { mAdapterLayer = adapterLayer; }

    /// The self-attention sublayer; the new keys and values go to `slots` of `store` before rows attend.
    /// @param bias null: none
    void selfAttention(SelfAttentionWeights const& weights, compute::PositionBias const* bias, compute::KvStore& store,
        SizeType32 layer, std::span<compute::KvSlot const> slots, std::span<compute::AttentionRow const> rows);

    /// The cross-attention sublayer, over keys and values that are in the store already.
    void crossAttention(CrossAttentionWeights const& weights, compute::KvStore const& store, SizeType32 layer,
        std::span<compute::AttentionRow const> rows);

    void mlp(MlpWeights const& weights);

    /// The output of the stack [rows, H]: norm(hidden), or hidden if the model has no final norm.
    float const* finalNorm(NormWeights const& weights);

private:
    /// What a sublayer reads: norm(hidden), or hidden in models that normalise after the sublayer.
    float const* beginSublayer(NormWeights const& weights);
    /// After the sublayer has added its output to hidden.
    void endSublayer(NormWeights const& weights);

    void norm(NormWeights const& weights, float* output);
    void attend(compute::AttentionCall call, compute::Matrix const& dense, LoraSite denseSite);

    /// output = input · weightᵀ + bias, and what the rows' adapters add.
    void multiply(compute::Matrix const& weight, LoraSite site, float const* input, float* output);
    /// Likewise, added to hidden.
    void multiplyAdd(compute::Matrix const& weight, LoraSite site, float const* input);

    ModelConfig const& mConfig;
    compute::Backend& mBackend;
    Workspace mWorkspace;
    std::int64_t mRows = 0;
    AdapterPass mAdapters;
    SizeType32 mAdapterLayer = 0;
    std::vector<SizeType32> mPositions; ///< scratch of embed()
};

} // namespace embedded
