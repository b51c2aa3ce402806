/// The operations on rows of logits, against sorting and against sums in double precision.
#include "compute/cpu/cpuTestSupport.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace embedded::compute {

// In the namespace of Candidate, where GoogleTest's printer and operator look for them.
static bool operator==(Candidate const& left, Candidate const& right) {
    return left.token == right.token && left.value == right.value;
}

static void PrintTo(Candidate const& candidate, std::ostream* stream) {
    *stream << candidate.token << ": " << candidate.value;
}

namespace {

constexpr float kNAN = std::numeric_limits<float>::quiet_NaN();
constexpr float kINFINITY = std::numeric_limits<float>::infinity();
constexpr std::int64_t kSIZES[] = {1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 64, 65, 100, 129, 513, 1001};

class LogitRows : public EachTarget {};
INSTANTIATE_FOR_EACH_TARGET(LogitRows);

/// Everything in order, by a stable sort.
std::vector<Candidate> sorted(std::span<float const> row) {
    std::vector<Candidate> all;
    for (float const value : row) {
        all.push_back({static_cast<TokenIdType>(all.size()), std::isnan(value) ? -kINFINITY : value});
    }
    std::ranges::stable_sort(all, std::ranges::greater(), &Candidate::value);
    return all;
}

/// Rows that are hard to select from: random, with many equal values, with NaN and infinities, rising, falling,
/// constant.
std::vector<std::vector<float>> difficultRows(std::int64_t size) {
    auto const random = randomFloats(size, 11);
    auto coarse = random;
    std::ranges::transform(coarse, coarse.begin(), [](float value) { return std::round(value * 2); });
    auto special = coarse;
    float const values[] = {kNAN, -kINFINITY, kINFINITY, -0.0F, 0.0F, std::numeric_limits<float>::lowest()};
    for (std::size_t i = 0; i < special.size(); i += 3) {
        special[i] = values[i / 3 % std::size(values)];
    }
    auto rising = random;
    std::ranges::sort(rising);
    std::vector<float> const falling(rising.rbegin(), rising.rend());
    std::vector<float> const constant(random.size(), 1.5F);
    std::vector<float> const banned(random.size(), -kINFINITY);
    std::vector<float> const none(random.size(), kNAN);
    return {random, coarse, special, rising, falling, constant, banned, none};
}

std::vector<Candidate> largestOf(Backend& cpu, std::vector<float> const& row, std::size_t count) {
    std::vector<Candidate> best(count);
    LargestQuery const query{0, best};
    cpu.largest(row.data(), std::ssize(row), {&query, 1});
    return best;
}

TEST_P(LogitRows, LogNormalizersAreThoseOfADoubleSum) {
    auto cpu = backend();
    auto twoThreads = backend(2);
    for (std::int64_t const vocabSize : {1, 5, 16, 33, 100, 1001, 32128}) {
        auto logits = randomFloats(4 * vocabSize, 7, 5);
        if (vocabSize > 5) {
            logits[1] = logits[static_cast<std::size_t>(vocabSize) - 1] = -kINFINITY;
            logits[3] = std::numeric_limits<float>::lowest();
        }
        std::vector<SizeType32> const rows{2, 0, 3};
        std::vector<double> expected;
        for (auto const row : rows) {
            double sum = 0;
            for (std::int64_t i = row * vocabSize; i < (row + 1) * vocabSize; ++i) {
                sum += std::exp(static_cast<double>(logits[static_cast<std::size_t>(i)]));
            }
            expected.push_back(std::log(sum));
        }
        std::vector<float> normalizers(3);
        cpu.logNormalizers(logits.data(), vocabSize, rows, normalizers);
        expectClose(normalizers, expected, 1e-6);
        std::vector<float> other(3);
        twoThreads.logNormalizers(logits.data(), vocabSize, rows, other);
        EXPECT_EQ(other, normalizers);
    }
}

TEST_P(LogitRows, LogNormalizersOfExtremeRows) {
    auto cpu = backend();
    auto const normalizerOf = [&](std::vector<float> const& row) {
        SizeType32 const first = 0;
        float normalizer = 0;
        cpu.logNormalizers(row.data(), std::ssize(row), {&first, 1}, {&normalizer, 1});
        return normalizer;
    };
    EXPECT_EQ(normalizerOf({-kINFINITY, 3, -kINFINITY}), 3);
    EXPECT_EQ(normalizerOf({1e30F, -1e30F, 0}), 1e30F);
    EXPECT_EQ(normalizerOf({std::numeric_limits<float>::lowest()}), std::numeric_limits<float>::lowest());
    EXPECT_FLOAT_EQ(normalizerOf(std::vector<float>(1000, -200)), static_cast<float>(std::log(1000.0) - 200));
    EXPECT_EQ(normalizerOf({-kINFINITY, -kINFINITY}), -kINFINITY);
    EXPECT_EQ(normalizerOf(std::vector<float>(100, -kINFINITY)), -kINFINITY);
    EXPECT_EQ(normalizerOf(std::vector<float>(100, kNAN)), -kINFINITY);
    std::vector<float> oneNumber(100, kNAN);
    oneNumber[40] = 7;
    EXPECT_EQ(normalizerOf(oneNumber), 7);
}

TEST_P(LogitRows, LargestIsTheBeginningOfTheSortedRow) {
    auto cpu = backend();
    for (auto const size : kSIZES) {
        for (auto const& row : difficultRows(size)) {
            auto const expected = sorted(row);
            for (std::size_t count = 1; count <= row.size(); count += count < 70 ? 1 : count / 3) {
                auto const best = largestOf(cpu, row, count);
                ASSERT_EQ(best, std::vector(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(count)));
            }
            ASSERT_EQ(largestOf(cpu, row, row.size()), expected);
        }
    }
}

TEST_P(LogitRows, LargestOfManyRowsOnManyThreads) {
    constexpr std::int64_t kVocabSize = 32128;
    auto const logits = randomFloats(9 * kVocabSize, 8);
    for (SizeType32 const threads : {1, 2, 3}) {
        std::vector<std::vector<Candidate>> best;
        std::vector<LargestQuery> queries;
        for (SizeType32 const row : {8, 0, 3, 3, 7}) {
            best.emplace_back(best.size() * 40 + 1);
            queries.push_back({row, best.back()});
        }
        auto cpu = backend(threads);
        cpu.largest(logits.data(), kVocabSize, queries);
        for (std::size_t i = 0; i < best.size(); ++i) {
            std::span const row(logits.data() + queries[i].row * kVocabSize, kVocabSize);
            auto expected = sorted(row);
            expected.resize(best[i].size());
            EXPECT_EQ(best[i], expected);
        }
    }
}

TEST_P(LogitRows, NothingIsAskedOfNoRows) {
    auto cpu = backend(2);
    cpu.logNormalizers(nullptr, 10, {}, {});
    cpu.largest(nullptr, 10, {});
}

TEST_P(LogitRows, HostRowsAreTheRowsThemselves) {
    float rows[4] = {};
    EXPECT_EQ(backend().hostRows(rows, 4), rows);
}

} // namespace
} // namespace embedded::compute
