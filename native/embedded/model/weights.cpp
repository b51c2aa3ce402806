#include "model/weights.h"

#include "model/relativePosition.h"

#include <string>

namespace embedded {

namespace {

using compute::Backend;
using compute::HostMatrix;

/// Takes tensors out of one file by their TensorRT-LLM names and hands them to the backend.
class WeightReader {
public:
    WeightReader(WeightSource const& source, Backend& backend)
        : mSource(source)
        , mBackend(backend)
        , mHidden(source.config.hiddenSize)
        , mAttention(source.config.attentionSize())
        , mFfn(source.config.ffnSize) {}

    [[nodiscard]] MatrixPtr matrix(std::string const& name, std::int64_t rows, std::int64_t cols) const {
        return rowsOf(name, rows, cols, 0, rows);
    }

    /// Rows `first` … `first + count` of a fused matrix [rows, cols].
    [[nodiscard]] MatrixPtr rowsOf(
        std::string const& name, std::int64_t rows, std::int64_t cols, std::int64_t first, std::int64_t count) const {
        auto const& tensor = mSource.file.floats(name, {rows, cols});
        auto const rowBytes = static_cast<std::int64_t>(tensor.data.size()) / rows;
        return mBackend.prepareMatrix({tensor.data.data() + first * rowBytes, tensor.dtype, count, cols}, mSource.type);
    }

    [[nodiscard]] MatrixPtr table(std::string const& name) const {
        auto const& tensor = mSource.file.floats(name, {mSource.config.vocabSize, mHidden});
        return mBackend.prepareTable(
            {tensor.data.data(), tensor.dtype, mSource.config.vocabSize, mHidden}, mSource.type);
    }

    [[nodiscard]] VectorPtr vector(std::string const& name, std::int64_t size, float factor = 1.0F) const {
        auto const& tensor = mSource.file.floats(name, {size});
        return mBackend.prepareVector({tensor.data.data(), tensor.dtype, 1, size}, factor);
    }

    [[nodiscard]] VectorPtr norm(std::string const& name) const { return vector(name + ".weight", mHidden); }

    [[nodiscard]] MlpWeights mlp(std::string const& layer) const {
        MlpWeights mlp;
        mlp.norm = norm(layer + "mlp_layernorm");
        mlp.fc = matrix(layer + "mlp.fc.weight", mFfn, mHidden);
        if (mSource.config.gatedActivation) {
            mlp.gate = matrix(layer + "mlp.gate.weight", mFfn, mHidden);
        }
        mlp.proj = matrix(layer + "mlp.proj.weight", mHidden, mFfn);
        return mlp;
    }

    [[nodiscard]] SelfAttentionWeights selfAttention(std::string const& layer, std::string const& name) const {
        SelfAttentionWeights attention;
        attention.norm = norm(layer + name + "_layernorm");
        attention.qkv = matrix(layer + name + ".qkv.weight", 3 * mAttention, mHidden);
        attention.dense = matrix(layer + name + ".dense.weight", mHidden, mAttention);
        return attention;
    }

    /// The fused matrix has query rows of the decoder's width and key and value rows of the encoder's: equal here.
    [[nodiscard]] CrossAttentionWeights crossAttention(std::string const& layer) const {
        auto const qkv = layer + "cross_attention.qkv.weight";
        CrossAttentionWeights attention;
        attention.norm = norm(layer + "cross_attention_layernorm");
        attention.query = rowsOf(qkv, 3 * mAttention, mHidden, 0, mAttention);
        attention.keyValue = rowsOf(qkv, 3 * mAttention, mHidden, mAttention, 2 * mAttention);
        attention.dense = matrix(layer + "cross_attention.dense.weight", mHidden, mAttention);
        return attention;
    }

    [[nodiscard]] PositionBiasPtr positionBias(std::string const& name, SizeType32 maxLength) const {
        auto const& config = mSource.config;
        auto const& tensor = mSource.file.floats(name, {config.numHeads, config.numBuckets});
        auto const size = static_cast<std::int64_t>(config.numHeads) * config.numBuckets;
        std::vector<float> table(static_cast<std::size_t>(size));
        mBackend.copyToHost(mBackend.prepareVector({tensor.data.data(), tensor.dtype, 1, size}, 1.0F)->data(), table);
        bool const bidirectional = config.component == Component::kENCODER;
        auto const lines = expandRelativeBias(table, bidirectional, config.numBuckets, config.maxDistance, maxLength);
        return mBackend.preparePositionBias(lines, config.numHeads, maxLength);
    }

private:
    WeightSource const& mSource;
    Backend& mBackend;
    std::int64_t mHidden;
    std::int64_t mAttention;
    std::int64_t mFfn;
};

std::string layerPrefix(SizeType32 layer) {
    return "transformer.layers." + std::to_string(layer) + ".";
}

} // namespace

EncoderWeights loadEncoderWeights(WeightSource const& source, SizeType32 maxLength, Backend& backend) {
    WeightReader const reader(source, backend);
    EncoderWeights weights;
    weights.embedding = reader.table("transformer.vocab_embedding.weight");
    for (SizeType32 i = 0; i < source.config.numLayers; ++i) {
        auto const layer = layerPrefix(i);
        weights.layers.push_back({reader.selfAttention(layer, "attention"), reader.mlp(layer)});
    }
    weights.finalNorm = reader.norm("transformer.ln_f");
    weights.positionBias = reader.positionBias(layerPrefix(0) + "attention.rel_attn_table", maxLength);
    return weights;
}

DecoderWeights loadDecoderWeights(WeightSource const& source, SizeType32 maxLength, Backend& backend) {
    auto const& config = source.config;
    WeightReader const reader(source, backend);
    DecoderWeights weights;
    weights.embedding = reader.table("transformer.vocab_embedding.weight");
    for (SizeType32 i = 0; i < config.numLayers; ++i) {
        auto const layer = layerPrefix(i);
        weights.layers.push_back(
            {reader.selfAttention(layer, "self_attention"), reader.crossAttention(layer), reader.mlp(layer)});
    }
    weights.finalNorm = reader.vector("transformer.ln_f.weight", config.hiddenSize, config.headScale);
    weights.lmHead = reader.matrix("lm_head.weight", config.vocabSize, config.hiddenSize);
    auto const* const layerTable = "transformer.layers.0.self_attention.rel_attn_table";
    weights.positionBias = reader.positionBias(config.implicitRelativeBias ? layerTable : "rel_attn_table", maxLength);
    return weights;
}

} // namespace embedded
