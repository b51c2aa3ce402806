#include "model/weights.h"

#include "model/relativePosition.h"

#include <optional>
#include <string>

namespace embedded {

namespace {

using compute::Backend;

/// A linear layer as the checkpoint has it.
struct LinearTensors {
    HostTensor weight;
    std::optional<HostTensor> bias;
};

/// Takes tensors out of a checkpoint by their TensorRT-LLM names and hands them to the backend.
class WeightReader {
public:
    WeightReader(WeightSource const& source, Backend& backend)
        : mSource(source)
        , mConfig(source.config)
        , mBackend(backend)
        , mHidden(mConfig.hiddenSize)
        , mAttention(mConfig.attentionSize()) {}

    /// The weight `name` [rows, cols] and its bias [rows]. Ranks that divide the columns add up what they compute, so
    /// each has the whole bias.
    [[nodiscard]] LinearTensors read(
        std::string const& name, std::int64_t rows, std::int64_t cols, Split split, bool hasBias) const {
        LinearTensors tensors{mSource.checkpoint.read(name + ".weight", {rows, cols}, split), std::nullopt};
        if (hasBias) {
            auto const biasSplit = split == Split::kCOLUMNS ? Split::kNONE : split;
            tensors.bias = mSource.checkpoint.read(name + ".bias", {rows}, biasSplit);
        }
        return tensors;
    }

    /// Output features `first` … `first + count - 1`.
    [[nodiscard]] MatrixPtr prepare(LinearTensors const& tensors, std::int64_t first, std::int64_t count) const {
        auto const weight = tensors.weight.rows(first, count);
        if (!tensors.bias) {
            return mBackend.prepareMatrix(weight, mSource.type, nullptr);
        }
        auto const bias = tensors.bias->rows(first, count);
        return mBackend.prepareMatrix(weight, mSource.type, &bias);
    }

    [[nodiscard]] MatrixPtr linear(
        std::string const& name, std::int64_t rows, std::int64_t cols, Split split, bool hasBias) const {
        return prepare(read(name, rows, cols, split, hasBias), 0, rows);
    }

    [[nodiscard]] NormWeights norm(std::string const& name, bool exists = true, float factor = 1.0F) const {
        NormWeights norm;
        if (exists) {
            norm.weight = vector(name + ".weight", factor);
            norm.bias = mConfig.normalization == Normalization::kLAYER ? vector(name + ".bias", factor) : nullptr;
        }
        return norm;
    }

    /// Positions stay FP32, as FairSeq's sinusoids are stored: the table is small.
    [[nodiscard]] EmbeddingWeights embedding() const {
        auto const tokens =
            mSource.checkpoint.readMaybeSplit("transformer.vocab_embedding.weight", {mConfig.vocabSize, mHidden});
        EmbeddingWeights weights;
        auto const type = mSource.type == compute::WeightType::kINT8 ? compute::WeightType::kBF16 : mSource.type;
        weights.tokens = mBackend.prepareTable(tokens.matrix, type);
        if (mConfig.maxPositions > 0) {
            auto const positions = mSource.checkpoint.read(
                "transformer.position_embedding.weight", {mConfig.maxPositions, mHidden}, Split::kNONE);
            weights.positions = mBackend.prepareTable(positions.matrix, compute::WeightType::kFP32);
        }
        weights.norm = norm("transformer.ln_embed", mConfig.hasEmbeddingNorm);
        return weights;
    }

    [[nodiscard]] MlpWeights mlp(std::string const& layer) const {
        std::int64_t const ffn = mConfig.ffnSize;
        bool const hasBias = mConfig.hasMlpBias;
        MlpWeights mlp;
        mlp.norm = norm(layer + "mlp_layernorm");
        mlp.fc = linear(layer + "mlp.fc", ffn, mHidden, Split::kROWS, hasBias);
        if (mConfig.gatedActivation) {
            mlp.gate = linear(layer + "mlp.gate", ffn, mHidden, Split::kROWS, hasBias);
        }
        mlp.proj = linear(layer + "mlp.proj", mHidden, ffn, Split::kCOLUMNS, hasBias);
        return mlp;
    }

    [[nodiscard]] SelfAttentionWeights selfAttention(std::string const& layer, std::string const& name) const {
        bool const hasBias = mConfig.hasAttentionBias;
        SelfAttentionWeights attention;
        attention.norm = norm(layer + name + "_layernorm");
        attention.qkv = linear(layer + name + ".qkv", 3 * mAttention, mHidden, Split::kQKV_ROWS, hasBias);
        attention.dense = linear(layer + name + ".dense", mHidden, mAttention, Split::kCOLUMNS, hasBias);
        return attention;
    }

    /// The fused matrix has query rows of the decoder's width and key and value rows of the encoder's: equal here.
    [[nodiscard]] CrossAttentionWeights crossAttention(std::string const& layer) const {
        auto const name = layer + "cross_attention";
        bool const hasBias = mConfig.hasAttentionBias;
        auto const qkv = read(name + ".qkv", 3 * mAttention, mHidden, Split::kQKV_ROWS, hasBias);
        CrossAttentionWeights attention;
        attention.norm = norm(name + "_layernorm");
        attention.query = prepare(qkv, 0, mAttention);
        attention.keyValue = prepare(qkv, mAttention, 2 * mAttention);
        attention.dense = linear(name + ".dense", mHidden, mAttention, Split::kCOLUMNS, hasBias);
        return attention;
    }

    /// @param name of the table [heads, buckets]
    [[nodiscard]] PositionBiasPtr positionBias(std::string const& name, SizeType32 maxLength) const {
        if (mConfig.numBuckets == 0) {
            return nullptr;
        }
        auto const tensor = mSource.checkpoint.read(name, {mConfig.numHeads, mConfig.numBuckets}, Split::kROWS);
        auto const size = tensor.matrix.rows * tensor.matrix.cols;
        std::vector<float> table(static_cast<std::size_t>(size));
        compute::readValues(tensor.matrix, 0, size, table.data());
        bool const bidirectional = mConfig.component == Component::kENCODER;
        auto const lines = expandRelativeBias(table, bidirectional, mConfig.numBuckets, mConfig.maxDistance, maxLength);
        return mBackend.preparePositionBias(lines, mConfig.numHeads, maxLength);
    }

private:
    [[nodiscard]] VectorPtr vector(std::string const& name, float factor) const {
        return mBackend.prepareVector(mSource.checkpoint.read(name, {mHidden}, Split::kNONE).matrix, factor);
    }

    WeightSource const& mSource;
    ModelConfig const& mConfig;
    Backend& mBackend;
    std::int64_t mHidden;
    std::int64_t mAttention;
};

std::string layerPrefix(SizeType32 layer) {
    return "transformer.layers." + std::to_string(layer) + ".";
}

} // namespace

EncoderWeights loadEncoderWeights(WeightSource const& source, SizeType32 maxLength, Backend& backend) {
    WeightReader const reader(source, backend);
    EncoderWeights weights;
    weights.embedding = reader.embedding();
    for (SizeType32 i = 0; i < source.config.numLayers; ++i) {
        auto const layer = layerPrefix(i);
        weights.layers.push_back({reader.selfAttention(layer, "attention"), reader.mlp(layer)});
    }
    weights.finalNorm = reader.norm("transformer.ln_f", source.config.hasFinalNorm);
    weights.positionBias = reader.positionBias(layerPrefix(0) + "attention.rel_attn_table", maxLength);
    return weights;
}

DecoderWeights loadDecoderWeights(WeightSource const& source, SizeType32 maxLength, Backend& backend) {
    auto const& config = source.config;
    WeightReader const reader(source, backend);
    DecoderWeights weights;
    weights.embedding = reader.embedding();
    for (SizeType32 i = 0; i < config.numLayers; ++i) {
        auto const layer = layerPrefix(i);
        weights.layers.push_back(
            {reader.selfAttention(layer, "self_attention"), reader.crossAttention(layer), reader.mlp(layer)});
    }
    weights.finalNorm = reader.norm("transformer.ln_f", config.hasFinalNorm, config.headScale);
    weights.lmHead = reader.linear("lm_head", config.vocabSize, config.hiddenSize, Split::kROWS, config.hasHeadBias);
    auto const* const layerTable = "transformer.layers.0.self_attention.rel_attn_table";
    weights.positionBias = reader.positionBias(config.implicitRelativeBias ? layerTable : "rel_attn_table", maxLength);
    return weights;
}

} // namespace embedded
