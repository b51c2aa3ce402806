#include "compute/cpu/cpuTestSupport.h"
#include "compute/cpu/preparedMatrix.h"

#include <bit>
#include <limits>

namespace embedded::compute {
namespace {

class Matmul : public EachTarget {};
INSTANTIATE_FOR_EACH_TARGET(Matmul);

float roundedTo(WeightType type, float value) {
    return type == WeightType::kFP32 ? value : std::bit_cast<float>(static_cast<std::uint32_t>(toBf16(value)) << 16);
}

TEST_P(Matmul, EqualsReference) {
    constexpr std::int64_t kMaxRows = 65;
    auto cpu = backend();
    for (std::int64_t const cols : {1, 3, 15, 16, 17, 31, 64, 100, 513}) {
        for (std::int64_t const outputs : {1, 5, 15, 16, 17, 33, 100, 1000}) {
            if (outputs * cols > 100'000) {
                continue; // the largest pair shows nothing new and takes half of the time
            }
            auto const weights = randomFloats(outputs * cols, 1);
            auto const input = randomFloats(kMaxRows * cols, 2);
            for (auto const type : {WeightType::kFP32, WeightType::kBF16}) {
                SCOPED_TRACE(testing::Message()
                    << cols << " columns, " << outputs << " outputs, BF16 " << (type == WeightType::kBF16));
                std::vector<double> expected;
                for (std::int64_t i = 0; i < kMaxRows * outputs; ++i) {
                    double sum = 0;
                    for (std::int64_t k = 0; k < cols; ++k) {
                        sum += static_cast<double>(input[static_cast<std::size_t>(i / outputs * cols + k)])
                            * roundedTo(type, weights[static_cast<std::size_t>(i % outputs * cols + k)]);
                    }
                    expected.push_back(sum);
                }
                auto const matrix = cpu.prepareMatrix(fp32Matrix(weights, outputs, cols), type, nullptr);
                for (std::int64_t const rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 64, 65}) {
                    auto const result = product(cpu, *matrix, input, rows);
                    expectClose(result, std::span(expected).first(result.size()), 5e-5);
                }
            }
        }
    }
}

TEST_P(Matmul, SameBitsInAnyBatchAndOnAnyNumberOfThreads) {
    constexpr std::int64_t kMaxRows = 64;
    constexpr std::int64_t kCols = 101;
    constexpr std::int64_t kOutputs = 499; // two tasks even for one row
    auto cpu = backend();
    auto twoThreads = backend(2);
    auto const weights = randomFloats(kOutputs * kCols, 3);
    auto const input = randomFloats(kMaxRows * kCols, 4);
    for (auto const type : {WeightType::kFP32, WeightType::kBF16, WeightType::kINT8}) {
        auto const matrix = cpu.prepareMatrix(fp32Matrix(weights, kOutputs, kCols), type, nullptr);
        std::vector<float> alone;
        for (std::int64_t row = 0; row < kMaxRows; ++row) {
            auto const result =
                product(cpu, *matrix, std::span(input).subspan(static_cast<std::size_t>(row * kCols)), 1);
            alone.insert(alone.end(), result.begin(), result.end());
        }
        for (std::int64_t const rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 24, 31, 33, 48, 63, 64}) {
            std::vector<float> const expected(alone.begin(), alone.begin() + rows * kOutputs);
            ASSERT_EQ(product(cpu, *matrix, input, rows), expected) << rows << " rows";
            ASSERT_EQ(product(twoThreads, *matrix, input, rows), expected) << rows << " rows, two threads";
        }
    }
}

/// More rows than one block of rows, which holds at least 24 of 8000 columns.
TEST_P(Matmul, SameBitsAcrossBlocksOfRows) {
    constexpr std::int64_t kRows = 51;
    constexpr std::int64_t kCols = 8000;
    auto cpu = backend(2);
    auto const weights = randomFloats(40 * kCols, 5);
    auto const input = randomFloats(kRows * kCols, 6);
    for (auto const type : {WeightType::kBF16, WeightType::kINT8}) {
        auto const matrix = cpu.prepareMatrix(fp32Matrix(weights, 40, kCols), type, nullptr);
        auto const together = product(cpu, *matrix, input, kRows);
        for (std::int64_t row = 0; row < kRows; ++row) {
            auto const alone =
                product(cpu, *matrix, std::span(input).subspan(static_cast<std::size_t>(row * kCols)), 1);
            ASSERT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + row * 40)) << "row " << row;
        }
    }
}

TEST_P(Matmul, AddsTheFinishedSum) {
    auto cpu = backend();
    auto const weights = randomFloats(33 * 100, 7);
    for (auto const type : {WeightType::kFP32, WeightType::kINT8}) {
        auto const matrix = cpu.prepareMatrix(fp32Matrix(weights, 33, 100), type, nullptr);
        for (std::int64_t const rows : {1, 2, 5, 8, 13}) {
            auto const input = randomFloats(rows * 100, 8);
            auto const residual = randomFloats(rows * 33, 9);
            auto expected = product(cpu, *matrix, input, rows);
            std::transform(expected.begin(), expected.end(), residual.begin(), expected.begin(), std::plus());
            auto output = residual;
            cpu.matmulAdd(*matrix, input.data(), rows, output.data());
            EXPECT_EQ(output, expected) << rows << " rows";
        }
    }
}

TEST_P(Matmul, StartsFromTheBias) {
    auto cpu = backend();
    auto twoThreads = backend(2);
    for (std::int64_t const outputs : {1, 15, 16, 33, 100}) {
        auto const weights = randomFloats(outputs * 31, 1);
        auto const biases = randomFloats(outputs, 2, 3);
        auto const input = randomFloats(13 * 31, 3);
        auto const bias = fp32Matrix(biases, 1, outputs);
        auto const matrix = cpu.prepareMatrix(fp32Matrix(weights, outputs, 31), WeightType::kFP32, &bias);
        std::vector<double> expected;
        for (std::int64_t i = 0; i < 13 * outputs; ++i) {
            double sum = static_cast<double>(biases[static_cast<std::size_t>(i % outputs)]);
            for (std::int64_t k = 0; k < 31; ++k) {
                sum += static_cast<double>(input[static_cast<std::size_t>(i / outputs * 31 + k)])
                    * static_cast<double>(weights[static_cast<std::size_t>(i % outputs * 31 + k)]);
            }
            expected.push_back(sum);
        }
        auto const together = product(cpu, *matrix, input, 13);
        expectClose(together, expected, 2e-6);
        EXPECT_EQ(product(twoThreads, *matrix, input, 13), together);
        auto const alone = product(cpu, *matrix, std::span(input).last(31), 1);
        EXPECT_TRUE(std::equal(alone.begin(), alone.end(), together.end() - outputs)) << outputs << " outputs";
    }
}

TEST_P(Matmul, NoRowsAreNoWork) {
    auto cpu = backend(2);
    auto const matrix = cpu.prepareMatrix(fp32Matrix(randomFloats(16, 1), 4, 4), WeightType::kFP32, nullptr);
    cpu.matmul(*matrix, nullptr, 0, nullptr);
}

TEST(PreparedMatrix, RefusesOtherTypesAndNoValues) {
    auto const cpu = makeCpuBackend(1);
    std::int64_t const value = 0;
    try {
        (void)cpu->prepareMatrix({&value, DataType::kINT64, 1, 1}, WeightType::kFP32, nullptr);
        FAIL();
    } catch (std::invalid_argument const& error) {
        EXPECT_STREQ(error.what(), "weights must be FP32, FP16, BF16, FP8 or INT8, not INT64");
    }
    EXPECT_THROW((void)cpu->prepareTable({&value, DataType::kINT32, 1, 1}, WeightType::kFP32), std::invalid_argument);
    EXPECT_THROW((void)cpu->prepareVector({&value, DataType::kUNKNOWN, 1, 1}, 1), std::invalid_argument);
    EXPECT_THROW(
        (void)cpu->prepareMatrix({&value, DataType::kFP32, 0, 1}, WeightType::kFP32, nullptr), std::invalid_argument);
}

} // namespace
} // namespace embedded::compute
