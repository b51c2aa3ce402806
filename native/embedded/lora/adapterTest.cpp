#include "lora/adapterCache.h"
#include "lora/adapterLimits.h"
#include "testing/testData.h"

#include <array>
#include <cstring>
#include <gtest/gtest.h>

namespace embedded {
namespace {

namespace texec = tensorrt_llm::executor;
using testing::errorOf;

/// Two layers each, hidden size 4, attention 6, feed-forward 10; a decoder without gate.
ModelConfig config(Component component) {
    ModelConfig config{};
    config.component = component;
    config.numLayers = 2;
    config.numHeads = 2;
    config.headSize = 3;
    config.hiddenSize = 4;
    config.ffnSize = 10;
    return config;
}

struct Row {
    std::int32_t module;
    std::int32_t layer;
    std::int32_t rank;
    std::int32_t dora = 0;
};

class AdapterTest : public ::testing::Test {
protected:
    static texec::Tensor weights(
        std::int64_t rows, std::int64_t width, texec::DataType dtype = texec::DataType::kFP32) {
        auto tensor = texec::Tensor::cpu(dtype, {rows, width});
        std::memset(tensor.getData(), 0, tensor.getSizeInBytes());
        return tensor;
    }

    static texec::Tensor rowConfig(std::vector<Row> const& rows, std::int64_t cols = 3) {
        auto tensor = texec::Tensor::cpu(texec::DataType::kINT32, {std::ssize(rows), cols});
        auto* value = static_cast<std::int32_t*>(tensor.getData());
        for (auto const& [module, layer, rank, dora] : rows) {
            value = std::copy_n(std::array{module, layer, rank, dora}.data(), cols, value);
        }
        return tensor;
    }

    [[nodiscard]] Adapter prepare(std::vector<Row> const& rows, std::int64_t width = 200) const {
        return {{weights(std::ssize(rows), width), rowConfig(rows)}, mTarget, 1, *mBackend};
    }

    [[nodiscard]] std::string problem(std::vector<Row> const& rows, std::int64_t width = 200) const {
        return errorOf([&] { (void)prepare(rows, width); });
    }

    std::unique_ptr<compute::Backend> mBackend = compute::makeCpuBackend(1);
    ModelConfig mEncoder = config(Component::kENCODER);
    ModelConfig mDecoder = config(Component::kDECODER);
    LoraTarget mTarget{mEncoder, mDecoder, 8, compute::WeightType::kFP32};
};

TEST_F(AdapterTest, PutsEachModuleToItsProduct) {
    auto const adapter = prepare({{1, 0, 2}, {3, 0, 2}, {8, 1, 5}, {4, 3, 1}, {6, 2, 8}});
    auto const qkv = adapter.updates(0, LoraSite::kSELF_QKV);
    ASSERT_EQ(qkv.size(), 2U);
    EXPECT_EQ(qkv[0].outputOffset, 0);
    EXPECT_EQ(qkv[1].outputOffset, 12);
    EXPECT_EQ(qkv[1].down->rows(), 2);
    EXPECT_EQ(qkv[1].down->cols(), 4);
    EXPECT_EQ(qkv[1].up->rows(), 6);
    EXPECT_EQ(adapter.updates(1, LoraSite::kCROSS_QUERY)[0].up->rows(), 6);
    EXPECT_EQ(adapter.updates(1, LoraSite::kCROSS_KEY_VALUE)[0].up->rows(), 12);
    EXPECT_EQ(adapter.updates(3, LoraSite::kSELF_DENSE)[0].down->cols(), 6);
    EXPECT_EQ(adapter.updates(2, LoraSite::kPROJ)[0].down->cols(), 10);
    EXPECT_TRUE(adapter.updates(0, LoraSite::kFC).empty());
}

TEST_F(AdapterTest, RefusesByName) {
    std::string const row = "[ERR_LORA_INVALID] row 1 of loraConfig.config: ";
    Row const good{1, 0, 1};
    EXPECT_EQ(problem({good, {1, 4, 1}}), row + "layer index must be in [0, 3], got 4");
    EXPECT_EQ(problem({good, {1, -1, 1}}), row + "layer index must be in [0, 3], got -1");
    EXPECT_EQ(problem({good, {13, 0, 1}}), row + "module 13 does not exist in the decoder of this model");
    EXPECT_EQ(problem({good, {-1, 0, 1}}), row + "module -1 does not exist in the decoder of this model");
    EXPECT_EQ(problem({good, {7, 0, 1}}), row + "module 7 does not exist in the decoder of this model");
    EXPECT_EQ(problem({good, {9, 2, 1}}), row + "module 9 does not exist in the encoder of this model");
    EXPECT_EQ(problem({good, {2, 0, 0}}), row + "rank of attn_k must be in [1, 8], got 0");
    EXPECT_EQ(problem({good, {2, 0, 9}}), row + "rank of attn_k must be in [1, 8], got 9");
    EXPECT_EQ(problem({good, {5, 0, 8}}, 111),
        row + "mlp_h_to_4h of rank 8 needs 112 values, loraConfig.weights has 111 in a row");
    EXPECT_EQ(problem({good, {5, 0, 8}}, 112), "");
    EXPECT_EQ(problem({good, good}),
        row
            + "attn_q of layer 0 is there already, by itself or as a part of another "
              "module");
    EXPECT_EQ(problem({good, {0, 0, 1}}),
        row
            + "attn_qkv of layer 0 is there already, by itself or as a part of "
              "another module");
}

TEST_F(AdapterTest, RefusesOtherTensors) {
    auto const make = [&](texec::Tensor const& values, texec::Tensor const& rows) {
        return errorOf([&] { (void)Adapter({values, rows}, mTarget, 1, *mBackend); });
    };
    EXPECT_EQ(make(weights(1, 99, texec::DataType::kINT8), rowConfig({{1, 0, 1}})),
        "[ERR_LORA_INVALID] loraConfig.weights must be FP32, FP16 or BF16, got INT8");
    EXPECT_EQ(make(weights(1, 99), rowConfig({{1, 0, 1}}, 2)),
        "[ERR_LORA_INVALID] loraConfig.config must have 3 or 4 columns, got 2");
    EXPECT_EQ(make(weights(1, 99), rowConfig({{1, 0, 1, 1}}, 4)),
        "[ERR_UNSUPPORTED] DoRA is not supported by the embedded runtime: attn_q of layer 0");
    EXPECT_EQ(make(weights(1, 99, texec::DataType::kBF16), rowConfig({{1, 0, 1, 0}}, 4)), "");
}

/// Room for two adapters of one row of 200 values.
class AdapterCacheTest : public AdapterTest {
protected:
    static constexpr std::size_t kBYTES = 200 * sizeof(float);

    static texec::LoraConfig full(texec::IdType task) {
        return texec::LoraConfig(task, weights(1, 200), rowConfig({{1, 0, 1}}));
    }

    [[nodiscard]] std::string problemOf(texec::LoraConfig const& lora) {
        return errorOf([&] { (void)mCache.acquire(lora); });
    }

    AdapterCache mCache{mTarget, 2 * kBYTES, *mBackend};
};

TEST_F(AdapterCacheTest, WeightsTravelOnce) {
    EXPECT_EQ(problemOf(texec::LoraConfig(3)),
        "[ERR_LORA_NOT_FOUND] LoRA task 3 is not in the cache, and the request brings no weights");
    auto const first = mCache.acquire(full(3));
    EXPECT_EQ(mCache.acquire(texec::LoraConfig(3)), first);
    EXPECT_EQ(mCache.acquire(full(3)), first) << "weights of a known task are not read";
}

TEST_F(AdapterCacheTest, DropsTheLeastRecentlyUsedThatIsIdle) {
    (void)mCache.acquire(full(1));
    (void)mCache.acquire(full(2));
    (void)mCache.acquire(texec::LoraConfig(1));
    (void)mCache.acquire(full(3));
    EXPECT_EQ(problemOf(texec::LoraConfig(1)), "");
    EXPECT_NE(problemOf(texec::LoraConfig(2)), "");

    auto const used = mCache.acquire(texec::LoraConfig(1));
    (void)mCache.acquire(texec::LoraConfig(3));
    (void)mCache.acquire(full(4));
    EXPECT_EQ(mCache.acquire(texec::LoraConfig(1)), used) << "in use, though older than 3";
    EXPECT_NE(problemOf(texec::LoraConfig(3)), "");
}

TEST_F(AdapterCacheTest, FullIfAllAreInUseOrPinned) {
    auto const used = mCache.acquire(full(1));
    mCache.pin(2, true);
    (void)mCache.acquire(full(2));
    EXPECT_EQ(problemOf(full(3)),
        "[ERR_LORA_CACHE_FULL] the adapter takes 800 bytes, and those in use or pinned take "
        "1600 of peftCacheConfig.hostCacheSize, 1600");
    EXPECT_EQ(problemOf(texec::LoraConfig(2)), "");
    mCache.pin(2, false);
    EXPECT_EQ(problemOf(full(3)), "");
    EXPECT_NE(problemOf(texec::LoraConfig(2)), "");
}

TEST_F(AdapterCacheTest, ReleasedAdaptersLiveOnWithTheirRequests) {
    auto const used = mCache.acquire(full(1));
    mCache.release(1);
    mCache.release(99);
    EXPECT_NE(problemOf(texec::LoraConfig(1)), "");
    auto const again = mCache.acquire(full(1));
    EXPECT_NE(again->version(), used->version());
    EXPECT_EQ(used->updates(0, LoraSite::kSELF_QKV).size(), 1U);
}

TEST_F(AdapterCacheTest, ABadAdapterDropsNobody) {
    (void)mCache.acquire(full(1));
    (void)mCache.acquire(full(2));
    EXPECT_NE(problemOf(texec::LoraConfig(3, weights(1, 200), rowConfig({{1, 0, 9}}))), "");
    EXPECT_EQ(problemOf(texec::LoraConfig(1)), "");
    EXPECT_EQ(problemOf(texec::LoraConfig(2)), "");
}

TEST_F(AdapterTest, LimitsComeFromThePeftCacheConfig) {
    auto const choose = [&](texec::PeftCacheConfig const& peft) {
        return chooseAdapterLimits(peft, mEncoder, mDecoder);
    };
    auto const defaults = choose(texec::PeftCacheConfig());
    EXPECT_EQ(defaults.maxRank, 64);
    EXPECT_EQ(defaults.cacheBytes, std::uint64_t{1} << 30);
    // One rank: encoder layers 3 * (4 + 6) + (6 + 4) + 2 * (4 + 10) = 68, decoder layers 40 more; two of each.
    auto const sized = [](std::size_t bytes, SizeType32 optimal) {
        return texec::PeftCacheConfig(0, 0, optimal, 16, 1, 1, 1, 24, 8, std::nullopt, bytes);
    };
    EXPECT_EQ(choose(sized(2 * (68 + 108) * 4 * 3, 3)).maxRank, 16);
    EXPECT_EQ(errorOf([&] { (void)choose(sized(2 * (68 + 108) * 4 * 3 - 1, 3)); }),
        "[ERR_INVALID_ARGUMENT] peftCacheConfig.hostCacheSize must be at least 4224, got 4223");
    // A slot of rank 8 is as wide as the widest module: 4 + 10.
    EXPECT_EQ(choose(texec::PeftCacheConfig(50)).cacheBytes, 50U * 14 * 8 * 4);
    EXPECT_NE(errorOf([&] { (void)choose(texec::PeftCacheConfig(0, 0, 0)); }), "");
    EXPECT_NE(errorOf([&] { (void)choose(texec::PeftCacheConfig(0, 0, 8, 0)); }), "");
}

} // namespace
} // namespace embedded
