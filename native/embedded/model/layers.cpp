#include "model/layers.h"

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

void LayerRunner::embed(compute::Matrix const& table, std::span<compute::TokenIdType const> ids) {
    mRows = static_cast<std::int64_t>(ids.size());
    mBackend.embed(table, ids, mWorkspace.hidden->data());
}

void LayerRunner::norm(compute::Buffer const& weight) {
    mBackend.rmsNorm(
        mWorkspace.hidden->data(), weight, mConfig.normEpsilon, mRows, mConfig.hiddenSize, mWorkspace.normed->data());
}

void LayerRunner::attend(compute::AttentionCall call, compute::Matrix const& dense) {
    call.query = mWorkspace.projected->data();
    call.output = mWorkspace.attended->data();
    call.scale = mConfig.attentionScale;
    mBackend.attend(call);
    mBackend.matmulAdd(dense, mWorkspace.attended->data(), mRows, mWorkspace.hidden->data());
}

void LayerRunner::selfAttention(SelfAttentionWeights const& weights, compute::PositionBias const& bias,
    compute::KvStore& store, SizeType32 layer, std::span<compute::KvSlot const> slots,
    std::span<compute::AttentionRow const> rows) {
    std::int64_t const width = mConfig.attentionSize();
    norm(*weights.norm);
    mBackend.matmul(*weights.qkv, mWorkspace.normed->data(), mRows, mWorkspace.projected->data());
    float const* const key = mWorkspace.projected->data() + width;
    mBackend.storeKv(store, layer, key, key + width, 3 * width, slots);
    compute::AttentionCall call{};
    call.queryStride = 3 * width;
    call.rows = rows;
    call.store = &store;
    call.layer = layer;
    call.bias = &bias;
    attend(call, *weights.dense);
}

void LayerRunner::crossAttention(CrossAttentionWeights const& weights, compute::KvStore const& store, SizeType32 layer,
    std::span<compute::AttentionRow const> rows) {
    norm(*weights.norm);
    mBackend.matmul(*weights.query, mWorkspace.normed->data(), mRows, mWorkspace.projected->data());
    compute::AttentionCall call{};
    call.queryStride = mConfig.attentionSize();
    call.rows = rows;
    call.store = &store;
    call.layer = layer;
    attend(call, *weights.dense);
}

void LayerRunner::mlp(MlpWeights const& weights) {
    norm(*weights.norm);
    float const* gate = nullptr;
    mBackend.matmul(*weights.fc, mWorkspace.normed->data(), mRows, mWorkspace.fc->data());
    if (weights.gate != nullptr) {
        mBackend.matmul(*weights.gate, mWorkspace.normed->data(), mRows, mWorkspace.gate->data());
        gate = mWorkspace.gate->data();
    }
    mBackend.activate(mConfig.activation, mWorkspace.fc->data(), gate, mRows * mConfig.ffnSize);
    mBackend.matmulAdd(*weights.proj, mWorkspace.fc->data(), mRows, mWorkspace.hidden->data());
}

float const* LayerRunner::finalNorm(compute::Buffer const& weight) {
    norm(weight);
    return mWorkspace.normed->data();
}

} // namespace embedded
