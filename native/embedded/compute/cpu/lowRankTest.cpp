#include "compute/cpu/cpuTestSupport.h"

#include <algorithm>

namespace embedded::compute {
namespace {

class LowRank : public EachTarget {};
INSTANTIATE_FOR_EACH_TARGET(LowRank);

std::vector<float> roundedTo(WeightType type, std::vector<float> values) {
    if (type == WeightType::kBF16) {
        std::ranges::transform(values, values.begin(), [](float value) { return fromBf16(toBf16(value)); });
    }
    return values;
}

/// An update on the host and prepared.
struct Update {
    Update(
        CpuBackend& backend, WeightType type, std::int64_t rank, std::int64_t cols, std::int64_t outputs, unsigned seed)
        : down(roundedTo(type, randomFloats(rank * cols, seed)))
        , up(roundedTo(type, randomFloats(outputs * rank, seed + 1)))
        , preparedDown(backend.prepareMatrix(fp32Matrix(down, rank, cols), type, nullptr))
        , preparedUp(backend.prepareMatrix(fp32Matrix(up, outputs, rank), type, nullptr)) {}

    [[nodiscard]] LowRankUpdate on(std::int64_t firstRow, std::int64_t numRows, std::int64_t offset) const {
        return {firstRow, numRows, preparedDown.get(), preparedUp.get(), offset};
    }

    /// up · (down · input) for one output.
    [[nodiscard]] double value(std::span<float const> input, std::int64_t output) const {
        auto const rank = preparedUp->cols();
        double sum = 0;
        for (std::int64_t i = 0; i < rank; ++i) {
            double inner = 0;
            for (std::size_t k = 0; k < input.size(); ++k) {
                inner += static_cast<double>(down[static_cast<std::size_t>(i) * input.size() + k]) * input[k];
            }
            sum += inner * up[static_cast<std::size_t>(output * rank + i)];
        }
        return sum;
    }

    std::vector<float> down;
    std::vector<float> up;
    std::unique_ptr<Matrix> preparedDown;
    std::unique_ptr<Matrix> preparedUp;
};

std::span<float const> rowOf(std::vector<float> const& values, std::int64_t row, std::int64_t cols) {
    return std::span(values).subspan(static_cast<std::size_t>(row * cols), static_cast<std::size_t>(cols));
}

TEST_P(LowRank, EqualsReferenceOnTheRowsAndFeaturesOfEachUpdate) {
    constexpr std::int64_t kCols = 37;
    constexpr std::int64_t kStride = 101; // 3 * 33 features, and 2 that belong to nobody
    auto cpu = backend(2);
    Update const first(cpu, WeightType::kFP32, 5, kCols, 33, 1);
    Update const second(cpu, WeightType::kBF16, 64, kCols, 33, 3);
    Update const third(cpu, WeightType::kFP32, 1, kCols, 33, 5);
    std::vector const updates{first.on(2, 9, 0), first.on(2, 9, 66), second.on(11, 1, 33), third.on(12, 20, 66)};
    auto const input = randomFloats(33 * kCols, 7);
    auto output = randomFloats(33 * kStride, 8);
    std::vector<double> expected(output.begin(), output.end());
    auto const add = [&](Update const& update, LowRankUpdate const& place) {
        for (std::int64_t row = place.firstRow; row < place.firstRow + place.numRows; ++row) {
            for (std::int64_t i = 0; i < 33; ++i) {
                expected[static_cast<std::size_t>(row * kStride + place.outputOffset + i)] +=
                    update.value(rowOf(input, row, kCols), i);
            }
        }
    };
    add(first, updates[0]);
    add(first, updates[1]);
    add(second, updates[2]);
    add(third, updates[3]);
    cpu.addLowRank(updates, input.data(), output.data(), kStride);
    expectClose(output, expected, 1e-4);
}

TEST_P(LowRank, SameBitsInAnyBatchAndOnAnyNumberOfThreads) {
    constexpr std::int64_t kRows = 40;
    constexpr std::int64_t kCols = 300;
    auto cpu = backend();
    auto twoThreads = backend(2);
    Update const update(cpu, WeightType::kBF16, 24, kCols, 200, 1);
    auto const input = randomFloats(kRows * kCols, 2);
    auto const before = randomFloats(kRows * 200, 3);
    auto together = before;
    auto divided = before;
    cpu.addLowRank(std::vector{update.on(0, kRows, 0)}, input.data(), together.data(), 200);
    twoThreads.addLowRank(std::vector{update.on(0, kRows, 0)}, input.data(), divided.data(), 200);
    EXPECT_EQ(divided, together);
    auto alone = before;
    for (std::int64_t row = 0; row < kRows; ++row) {
        cpu.addLowRank(std::vector{update.on(row, 1, 0)}, input.data(), alone.data(), 200);
    }
    EXPECT_EQ(alone, together);
}

TEST_P(LowRank, NoUpdatesChangeNothing) {
    auto cpu = backend(2);
    cpu.addLowRank({}, nullptr, nullptr, 0);
}

} // namespace
} // namespace embedded::compute
