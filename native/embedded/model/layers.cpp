#include "model/layers.h"

#include <algorithm>

namespace embedded {

Workspace::Workspace(ModelConfig const& config, SizeType32 maxTokens, compute::Backend& backend) {
    auto const rows = static_cast<std::size_t>(maxTokens);
    auto const allocate = [&](SizeType32 cols) { return backend.allocate(rows * static_cast<std::size_t>(cols)); };
    hidden = allocate(config.hiddenSize);
    normed = allocate(config.hiddenSize);
    projected = allocate(3 * config.attentionSize());
    attended = allocate(config.attentionSize());
    fc = allocate(config.ffnSize);
    if (config.gatedActivation) {
        gate = allocate(config.ffnSize);
    }
}

LayerRunner::LayerRunner(ModelConfig const& config, SizeType32 maxTokens, compute::Backend& backend)
    : mConfig(config)
    , mBackend(backend)
    , mWorkspace(config, maxTokens, backend) {}

void LayerRunner::embed(EmbeddingWeights const& weights, std::span<compute::TokenIdType const> ids,
    std::span<compute::AttentionRow const> rows) {
    mRows = static_cast<std::int64_t>(ids.size());
    float* const hidden = mWorkspace.hidden->data();
    mBackend.embed(*weights.tokens, ids, mConfig.embeddingScale, hidden);
    if (weights.positions != nullptr) {
        mPositions.resize(rows.size());
        std::ranges::transform(rows, mPositions.begin(), &compute::AttentionRow::position);
        mBackend.embedAdd(*weights.positions, mPositions, hidden);
    }
    if (weights.norm.weight != nullptr) {
        norm(weights.norm, hidden);
    }
}

void LayerRunner::norm(NormWeights const& weights, float* output) {
    float const* const hidden = mWorkspace.hidden->data();
    if (mConfig.normalization == Normalization::kRMS) {
        mBackend.rmsNorm(hidden, *weights.weight, mConfig.normEpsilon, mRows, mConfig.hiddenSize, output);
    } else {
        mBackend.layerNorm(
            hidden, *weights.weight, *weights.bias, mConfig.normEpsilon, mRows, mConfig.hiddenSize, output);
    }
}

float const* LayerRunner::beginSublayer(NormWeights const& weights) {
    if (mConfig.normalizesAfter) {
        return mWorkspace.hidden->data();
    }
    norm(weights, mWorkspace.normed->data());
    return mWorkspace.normed->data();
}

void LayerRunner::endSublayer(NormWeights const& weights) {
    if (mConfig.normalizesAfter) {
        norm(weights, mWorkspace.hidden->data());
    }
}

void LayerRunner::attend(compute::AttentionCall call, compute::Matrix const& dense) {
    call.query = mWorkspace.projected->data();
    call.output = mWorkspace.attended->data();
    call.scale = mConfig.attentionScale;
    mBackend.attend(call);
    mBackend.matmulAdd(dense, mWorkspace.attended->data(), mRows, mWorkspace.hidden->data());
}

void LayerRunner::selfAttention(SelfAttentionWeights const& weights, compute::PositionBias const* bias,
    compute::KvStore& store, SizeType32 layer, std::span<compute::KvSlot const> slots,
    std::span<compute::AttentionRow const> rows) {
    std::int64_t const width = mConfig.attentionSize();
    mBackend.matmul(*weights.qkv, beginSublayer(weights.norm), mRows, mWorkspace.projected->data());
    float const* const key = mWorkspace.projected->data() + width;
    mBackend.storeKv(store, layer, key, key + width, 3 * width, slots);
    compute::AttentionCall call{};
    call.queryStride = 3 * width;
    call.rows = rows;
    call.store = &store;
    call.layer = layer;
    call.bias = bias;
    attend(call, *weights.dense);
    endSublayer(weights.norm);
}

void LayerRunner::crossAttention(CrossAttentionWeights const& weights, compute::KvStore const& store, SizeType32 layer,
    std::span<compute::AttentionRow const> rows) {
    mBackend.matmul(*weights.query, beginSublayer(weights.norm), mRows, mWorkspace.projected->data());
    compute::AttentionCall call{};
    call.queryStride = mConfig.attentionSize();
    call.rows = rows;
    call.store = &store;
    call.layer = layer;
    attend(call, *weights.dense);
    endSublayer(weights.norm);
}

void LayerRunner::mlp(MlpWeights const& weights) {
    float const* const input = beginSublayer(weights.norm);
    float const* gate = nullptr;
    mBackend.matmul(*weights.fc, input, mRows, mWorkspace.fc->data());
    if (weights.gate != nullptr) {
        mBackend.matmul(*weights.gate, input, mRows, mWorkspace.gate->data());
        gate = mWorkspace.gate->data();
    }
    mBackend.activate(mConfig.activation, mWorkspace.fc->data(), gate, mRows * mConfig.ffnSize);
    mBackend.matmulAdd(*weights.proj, mWorkspace.fc->data(), mRows, mWorkspace.hidden->data());
    endSublayer(weights.norm);
}

float const* LayerRunner::finalNorm(NormWeights const& weights) {
    if (weights.weight == nullptr) {
        return mWorkspace.hidden->data();
    }
    norm(weights, mWorkspace.normed->data());
    return mWorkspace.normed->data();
}

} // namespace embedded
