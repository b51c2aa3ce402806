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
    , mWorkspace(config, maxTokens, backend)
    , mAdapters(backend) {}

void LayerRunner::embed(EmbeddingWeights const& weights, std::span<compute::TokenIdType const> ids,
    std::span<compute::AttentionRow const> rows, std::span<AdapterRows const> adapters) {
    mRows = static_cast<std::int64_t>(ids.size());
    mAdapters.begin(adapters);
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

void LayerRunner::multiply(compute::Matrix const& weight, LoraSite site, float const* input, float* output) {
    mBackend.matmul(weight, input, mRows, output);
    mAdapters.add(mAdapterLayer, site, input, output, weight.rows());
}

void LayerRunner::multiplyAdd(compute::Matrix const& weight, LoraSite site, float const* input) {
    float* const hidden = mWorkspace.hidden->data();
    mBackend.matmulAdd(weight, input, mRows, hidden);
    mAdapters.add(mAdapterLayer, site, input, hidden, weight.rows());
}

void LayerRunner::attend(compute::AttentionCall call, compute::Matrix const& dense, LoraSite denseSite) {
    call.query = mWorkspace.projected->data();
    call.output = mWorkspace.attended->data();
    call.scale = mConfig.attentionScale;
    mBackend.attend(call);
    multiplyAdd(dense, denseSite, mWorkspace.attended->data());
}

void LayerRunner::selfAttention(SelfAttentionWeights const& weights, compute::PositionBias const* bias,
    compute::KvStore& store, SizeType32 layer, std::span<compute::KvSlot const> slots,
    std::span<compute::AttentionRow const> rows) {
    std::int64_t const width = mConfig.attentionSize();
    multiply(*weights.qkv, LoraSite::kSELF_QKV, beginSublayer(weights.norm), mWorkspace.projected->data());
    float const* const key = mWorkspace.projected->data() + width;
    mBackend.storeKv(store, layer, key, key + width, 3 * width, slots);
    compute::AttentionCall call{};
    call.queryStride = 3 * width;
    call.rows = rows;
    call.store = &store;
    call.layer = layer;
    call.bias = bias;
    attend(call, *weights.dense, LoraSite::kSELF_DENSE);
    endSublayer(weights.norm);
}

void LayerRunner::crossAttention(CrossAttentionWeights const& weights, compute::KvStore const& store, SizeType32 layer,
    std::span<compute::AttentionRow const> rows) {
    multiply(*weights.query, LoraSite::kCROSS_QUERY, beginSublayer(weights.norm), mWorkspace.projected->data());
    compute::AttentionCall call{};
    call.queryStride = mConfig.attentionSize();
    call.rows = rows;
    call.store = &store;
    call.layer = layer;
    attend(call, *weights.dense, LoraSite::kCROSS_DENSE);
    endSublayer(weights.norm);
}

void LayerRunner::mlp(MlpWeights const& weights) {
    float const* const input = beginSublayer(weights.norm);
    float const* gate = nullptr;
    multiply(*weights.fc, LoraSite::kFC, input, mWorkspace.fc->data());
    if (weights.gate != nullptr) {
        multiply(*weights.gate, LoraSite::kGATE, input, mWorkspace.gate->data());
        gate = mWorkspace.gate->data();
    }
    mBackend.activate(mConfig.activation, mWorkspace.fc->data(), gate, mRows * mConfig.ffnSize);
    multiplyAdd(*weights.proj, LoraSite::kPROJ, mWorkspace.fc->data());
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
