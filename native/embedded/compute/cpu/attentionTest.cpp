#include "compute/cpu/cpuTestSupport.h"
#include "compute/cpu/pagedKvStore.h"

#include <array>
#include <limits>

namespace embedded::compute {
namespace {

constexpr SizeType32 kHEADS = 3;
constexpr SizeType32 kLAYERS = 2;
constexpr SizeType32 kLAYER = 1;
constexpr SizeType32 kMAX_LENGTH = 128;

class Attention : public EachTarget {};
INSTANTIATE_FOR_EACH_TARGET(Attention);

/// Sequences whose blocks lie in no order, with NaN wherever no token was stored.
struct Cache {
    SizeType32 headSize;
    SizeType32 tokensPerBlock;
    std::unique_ptr<KvStore> store;
    std::vector<std::vector<SizeType32>> blocks; ///< of each sequence
    std::vector<std::vector<float>> keys;        ///< of each sequence, [length, heads * headSize]
    std::vector<std::vector<float>> values;

    [[nodiscard]] std::int64_t width() const { return std::int64_t{kHEADS} * headSize; }
};

Cache makeCache(
    CpuBackend& cpu, std::vector<SizeType32> const& lengths, SizeType32 headSize, SizeType32 tokensPerBlock) {
    Cache cache{headSize, tokensPerBlock, nullptr, {}, {}, {}};
    SizeType32 numBlocks = 0;
    for (auto const length : lengths) {
        numBlocks += (length + tokensPerBlock - 1) / tokensPerBlock;
    }
    cache.store = cpu.allocateKv({kLAYERS, kHEADS, headSize, numBlocks, tokensPerBlock});
    std::vector<float> const garbage(static_cast<std::size_t>(cache.width()), std::nanf(""));
    for (SizeType32 block = 0; block < numBlocks; ++block) {
        for (SizeType32 offset = 0; offset < tokensPerBlock; ++offset) {
            KvSlot const slot{block, offset};
            cpu.storeKv(*cache.store, kLAYER, garbage.data(), garbage.data(), 0, {&slot, 1});
        }
    }
    SizeType32 next = numBlocks; // handed out from the last to the first
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        cache.keys.push_back(randomFloats(lengths[i] * cache.width(), static_cast<unsigned>(100 + i)));
        cache.values.push_back(randomFloats(lengths[i] * cache.width(), static_cast<unsigned>(200 + i)));
        cache.blocks.emplace_back();
        std::vector<KvSlot> slots;
        for (SizeType32 token = 0; token < lengths[i]; ++token) {
            if (token % tokensPerBlock == 0) {
                cache.blocks.back().push_back(--next);
            }
            slots.push_back({next, token % tokensPerBlock});
        }
        cpu.storeKv(*cache.store, kLAYER, cache.keys.back().data(), cache.values.back().data(), cache.width(), slots);
    }
    return cache;
}

struct Query {
    std::size_t sequence;
    SizeType32 numKeys;
    SizeType32 position;
    bool const* mask = nullptr;
};

std::vector<float> attend(CpuBackend& cpu, Cache const& cache, std::span<Query const> queries,
    std::span<float const> input, float scale, PositionBias const* bias) {
    std::vector<AttentionRow> rows;
    for (auto const& query : queries) {
        rows.push_back({cache.blocks[query.sequence].data(), query.numKeys, query.position, query.mask});
    }
    std::vector<float> output(queries.size() * static_cast<std::size_t>(cache.width()), std::nanf(""));
    cpu.attend({input.data(), cache.width(), output.data(), rows, cache.store.get(), kLAYER, scale, bias});
    return output;
}

/// One head of one row; `line` is the head's bias or empty.
std::vector<double> reference(Cache const& cache, Query const& query, SizeType32 head, float const* input, float scale,
    std::span<float const> line) {
    auto const at = [&](std::vector<float> const& values, SizeType32 key, SizeType32 d) {
        return static_cast<double>(values[static_cast<std::size_t>(key * cache.width() + head * cache.headSize + d)]);
    };
    std::vector<double> weights;
    double sum = 0;
    for (SizeType32 key = 0; key < query.numKeys; ++key) {
        double score = 0;
        for (SizeType32 d = 0; d < cache.headSize; ++d) {
            score += at(cache.keys[query.sequence], key, d) * static_cast<double>(input[head * cache.headSize + d]);
        }
        score *= static_cast<double>(scale);
        if (!line.empty()) {
            score += static_cast<double>(line[static_cast<std::size_t>(key - query.position + kMAX_LENGTH - 1)]);
        }
        bool const isSeen = query.mask == nullptr || query.mask[key];
        weights.push_back(isSeen ? std::exp(score) : 0.0);
        sum += weights.back();
    }
    std::vector<double> result(static_cast<std::size_t>(cache.headSize), 0.0);
    for (SizeType32 key = 0; key < query.numKeys; ++key) {
        for (SizeType32 d = 0; d < cache.headSize; ++d) {
            result[static_cast<std::size_t>(d)] +=
                weights[static_cast<std::size_t>(key)] / sum * at(cache.values[query.sequence], key, d);
        }
    }
    return result;
}

/// Rows of one sequence with masks of their own beside one without.
TEST_P(Attention, MaskedKeysAreNotSeen) {
    constexpr SizeType32 kLength = 77;
    auto cpu = backend();
    auto const cache = makeCache(cpu, {kLength}, 16, 32);
    std::array<std::array<bool, kLength>, 5> masks{};
    std::vector<Query> queries;
    for (std::size_t row = 0; row < masks.size(); ++row) {
        for (std::size_t key = 0; key < masks[row].size(); ++key) {
            masks[row][key] = row == 0 ? key == 40 : (key * 7 + row) % (row + 1) == 0;
        }
        queries.push_back({0, kLength, 0, masks[row].data()});
    }
    queries.push_back({0, kLength, 0});
    auto const input = randomFloats(std::ssize(queries) * cache.width(), 2, 0.3F);
    std::vector<double> expected;
    for (std::size_t i = 0; i < queries.size(); ++i) {
        for (SizeType32 head = 0; head < kHEADS; ++head) {
            auto const* const row = input.data() + static_cast<std::int64_t>(i) * cache.width();
            auto const values = reference(cache, queries[i], head, row, 0.7F, {});
            expected.insert(expected.end(), values.begin(), values.end());
        }
    }
    expectClose(attend(cpu, cache, queries, input, 0.7F, nullptr), expected, 5e-6);
}

TEST_P(Attention, EqualsReference) {
    std::vector<SizeType32> const lengths{1, 31, 32, 33, 64, 100};
    auto cpu = backend();
    auto const lines = randomFloats(kHEADS * (2 * kMAX_LENGTH - 1), 1);
    auto const bias = cpu.preparePositionBias(lines, kHEADS, kMAX_LENGTH);
    for (SizeType32 const headSize : {5, 16, 64, 80}) {
        for (SizeType32 const tokensPerBlock : {16, 32, 48}) {
            auto const cache = makeCache(cpu, lengths, headSize, tokensPerBlock);
            std::vector<Query> queries;
            for (std::size_t i = 0; i < lengths.size(); ++i) {
                queries.push_back({i, lengths[i], lengths[i] - 1});
            }
            auto const input = randomFloats(std::ssize(queries) * cache.width(), 2, 0.3F);
            for (bool const withBias : {false, true}) {
                auto const output = attend(cpu, cache, queries, input, 0.7F, withBias ? bias.get() : nullptr);
                std::vector<double> expected;
                for (std::size_t i = 0; i < queries.size(); ++i) {
                    for (SizeType32 head = 0; head < kHEADS; ++head) {
                        auto const line = std::span(lines).subspan(
                            static_cast<std::size_t>(head * (2 * kMAX_LENGTH - 1)), 2 * kMAX_LENGTH - 1);
                        auto const values = reference(cache, queries[i], head,
                            input.data() + static_cast<std::int64_t>(i) * cache.width(), 0.7F,
                            withBias ? line : std::span<float const>());
                        expected.insert(expected.end(), values.begin(), values.end());
                    }
                }
                SCOPED_TRACE(testing::Message()
                    << "head size " << headSize << ", blocks of " << tokensPerBlock << (withBias ? ", bias" : ""));
                expectClose(output, expected, 5e-6);
            }
        }
    }
}

/// Encoder rows (each sees all keys), a causal prompt (row i sees i + 1 keys) and single tokens, together and alone.
TEST_P(Attention, SameBitsInAnyBatchAndOnAnyNumberOfThreads) {
    constexpr SizeType32 kHeadSize = 20;
    auto cpu = backend();
    auto twoThreads = backend(2);
    auto const bias = cpu.preparePositionBias(randomFloats(kHEADS * (2 * kMAX_LENGTH - 1), 1), kHEADS, kMAX_LENGTH);
    auto const cache = makeCache(cpu, {70, 41, 100, 33}, kHeadSize, 32);
    std::vector<Query> queries;
    for (SizeType32 i = 0; i < 70; ++i) {
        queries.push_back({0, 70, i});
    }
    for (SizeType32 i = 0; i < 41; ++i) {
        queries.push_back({1, i + 1, i});
    }
    queries.push_back({2, 100, 99});
    queries.push_back({3, 33, 32});
    auto const input = randomFloats(std::ssize(queries) * cache.width(), 3);
    auto const together = attend(cpu, cache, queries, input, 1, bias.get());
    EXPECT_EQ(attend(twoThreads, cache, queries, input, 1, bias.get()), together);
    for (std::size_t i = 0; i < queries.size(); ++i) {
        auto const first = i * static_cast<std::size_t>(cache.width());
        auto const alone =
            attend(cpu, cache, std::span(queries).subspan(i, 1), std::span(input).subspan(first), 1, bias.get());
        ASSERT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + static_cast<std::ptrdiff_t>(first)))
            << "row " << i;
    }
}

/// Keys, values and queries as columns of one matrix, as a fused projection leaves them.
TEST_P(Attention, ReadsStridedRows) {
    constexpr std::int64_t kWidth = kHEADS * 16;
    auto cpu = backend();
    auto const store = cpu.allocateKv({kLAYERS, kHEADS, 16, 1, 16});
    auto const fused = randomFloats(2 * 3 * kWidth, 4); // [2 tokens, query | key | value]
    KvSlot const slots[] = {{0, 0}, {0, 1}};
    cpu.storeKv(*store, kLAYER, fused.data() + kWidth, fused.data() + 2 * kWidth, 3 * kWidth, slots);
    SizeType32 const block = 0;
    AttentionRow const rows[] = {{&block, 1, 0}, {&block, 1, 1}};
    std::vector<float> output(2 * kWidth);
    cpu.attend({fused.data(), 3 * kWidth, output.data(), rows, store.get(), kLAYER, 1, nullptr});
    // With one key the result is its value.
    for (std::size_t i = 0; i < output.size(); ++i) {
        EXPECT_EQ(output[i], fused[static_cast<std::size_t>(2 * kWidth) + i % kWidth]) << i;
    }
}

TEST_P(Attention, LargeScoresDoNotOverflow) {
    auto cpu = backend();
    auto const cache = makeCache(cpu, {40}, 16, 32);
    Query const query{0, 40, 39};
    auto const input = randomFloats(cache.width(), 5, 1000);
    for (float const value : attend(cpu, cache, {&query, 1}, input, 1, nullptr)) {
        EXPECT_TRUE(std::isfinite(value));
    }
}

TEST(PagedKvStore, ReportsBytesAndRefusesBadShapes) {
    auto const cpu = makeCpuBackend(1);
    // Per token and head 5 floats of key and 16 of value.
    EXPECT_EQ(cpu->allocateKv({2, 3, 5, 7, 32})->bytesPerBlock(), 2U * 3 * 32 * (5 + 16) * sizeof(float));
    EXPECT_THROW((void)cpu->allocateKv({1, 1, 8, 1, 24}), std::invalid_argument);
    EXPECT_THROW((void)cpu->allocateKv({1, 0, 8, 1, 32}), std::invalid_argument);
    constexpr auto kMax = std::numeric_limits<SizeType32>::max();
    EXPECT_THROW((void)cpu->allocateKv({kMax, kMax, 64, kMax, 1024}), std::bad_alloc);
    EXPECT_THROW((void)cpu->preparePositionBias(randomFloats(4, 1), 1, 2), std::invalid_argument);
}

/// The floats of one block in all layers.
std::vector<float> blockOf(KvStore const& store, SizeType32 block) {
    auto const& paged = static_cast<PagedKvStore const&>(store);
    std::vector<float> values;
    for (SizeType32 layer = 0; layer < store.shape().numLayers; ++layer) {
        float const* first = paged.cell(layer, 0) + block * paged.blockStride();
        values.insert(values.end(), first, first + paged.blockStride());
    }
    return values;
}

TEST_P(Attention, CopiedBlocksAreEqualInEveryLayerAndTheOthersUntouched) {
    constexpr SizeType32 kBlocks = 6;
    for (SizeType32 const threads : {1, 2}) {
        auto cpu = backend(threads);
        auto const store = cpu.allocateKv({5, kHEADS, 80, kBlocks, 16});
        std::int64_t const width = kHEADS * 80;
        for (SizeType32 layer = 0; layer < 5; ++layer) {
            for (SizeType32 slot = 0; slot < kBlocks * 16; ++slot) {
                auto const token = randomFloats(2 * width, static_cast<unsigned>(layer * 1000 + slot));
                KvSlot const place{slot / 16, slot % 16};
                cpu.storeKv(*store, layer, token.data(), token.data() + width, 0, {&place, 1});
            }
        }
        std::vector<std::vector<float>> expected;
        for (SizeType32 block = 0; block < kBlocks; ++block) {
            expected.push_back(blockOf(*store, block));
        }
        BlockCopy const copies[] = {{4, 1}, {0, 5}, {4, 2}};
        cpu.copyBlocks(*store, copies);
        cpu.copyBlocks(*store, {});
        expected[1] = expected[4];
        expected[5] = expected[0];
        expected[2] = expected[4];
        for (SizeType32 block = 0; block < kBlocks; ++block) {
            EXPECT_EQ(blockOf(*store, block), expected[static_cast<std::size_t>(block)]) << block;
        }
    }
}

} // namespace
} // namespace embedded::compute
