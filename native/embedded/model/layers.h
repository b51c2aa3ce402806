/// The parts that encoder and decoder layers share, on packed rows [tokens, hidden].
#pragma once

#include "compute/backend.h"
#include "model/modelConfig.h"
#include "model/weights.h"

#include <memory>

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

/// Runs the operations of a layer on the rows of a workspace.
class LayerRunner {
public:
    LayerRunner(ModelConfig const& config, SizeType32 maxTokens, compute::Backend& backend);

    /// hidden = table[ids]; sets the number of rows for the calls that follow.
    void embed(compute::Matrix const& table, std::span<compute::TokenIdType const> ids);

    /// hidden += selfAttention(norm(hidden)); the new keys and values go to `slots` of `store` before rows attend.
    void selfAttention(SelfAttentionWeights const& weights, compute::PositionBias const& bias, compute::KvStore& store,
        SizeType32 layer, std::span<compute::KvSlot const> slots, std::span<compute::AttentionRow const> rows);

    /// hidden += crossAttention(norm(hidden)) over keys and values that are in the store already.
    void crossAttention(CrossAttentionWeights const& weights, compute::KvStore const& store, SizeType32 layer,
        std::span<compute::AttentionRow const> rows);

    /// hidden += mlp(norm(hidden))
    void mlp(MlpWeights const& weights);

    /// normed = norm(hidden), the output of the stack [rows, H].
    float const* finalNorm(compute::Buffer const& weight);

private:
    void norm(compute::Buffer const& weight);
    void attend(compute::AttentionCall call, compute::Matrix const& dense);

    ModelConfig const& mConfig;
    compute::Backend& mBackend;
    Workspace mWorkspace;
    std::int64_t mRows = 0;
};

} // namespace embedded
