/// INT8 products against their documented formula: integers by rounding, sums in 64 bits, scales in double precision.
#include "compute/cpu/cpuTestSupport.h"
#include "compute/cpu/preparedMatrix.h"

#include <algorithm>

namespace embedded::compute {
namespace {

class Int8 : public EachTarget {};
INSTANTIATE_FOR_EACH_TARGET(Int8);

/// One row of weights or activations as integers times a scale.
struct Quantized {
    std::vector<std::int64_t> values;
    double scale;
};

float largestOf(std::span<float const> row) {
    float largest = 0;
    for (float const value : row) {
        largest = std::max(largest, std::abs(value));
    }
    return largest;
}

Quantized quantizedWeights(std::span<float const> row) {
    float const scale = largestOf(row) / 127.0F;
    Quantized result{{}, static_cast<double>(scale)};
    for (float const value : row) {
        result.values.push_back(scale > 0 ? static_cast<std::int64_t>(std::nearbyint(value / scale)) : 0);
    }
    return result;
}

Quantized quantizedInput(std::span<float const> row) {
    float const largest = largestOf(row);
    float const factor = largest > 0 ? 127.0F / largest : 0;
    Quantized result{{}, static_cast<double>(largest / 127.0F)};
    for (float const value : row) {
        result.values.push_back(static_cast<std::int64_t>(std::nearbyint(value * factor)));
    }
    return result;
}

template <class Quantize>
std::vector<Quantized> quantizedRows(std::vector<float> const& values, std::int64_t cols, Quantize quantize) {
    std::vector<Quantized> rows;
    for (std::size_t i = 0; i < values.size(); i += static_cast<std::size_t>(cols)) {
        rows.push_back(quantize(std::span(values).subspan(i, static_cast<std::size_t>(cols))));
    }
    return rows;
}

std::vector<double> reference(
    std::vector<Quantized> const& input, std::vector<Quantized> const& weights, std::vector<float> const& bias) {
    std::vector<double> outputs;
    for (auto const& x : input) {
        for (std::size_t i = 0; i < weights.size(); ++i) {
            std::int64_t sum = 0;
            for (std::size_t k = 0; k < x.values.size(); ++k) {
                sum += x.values[k] * weights[i].values[k];
            }
            outputs.push_back(static_cast<double>(sum) * x.scale * weights[i].scale + static_cast<double>(bias[i]));
        }
    }
    return outputs;
}

TEST_P(Int8, EqualsReference) {
    constexpr std::int64_t kMaxRows = 65;
    auto cpu = backend();
    for (std::int64_t const cols : {1, 3, 4, 5, 15, 16, 17, 31, 64, 100, 513}) {
        for (std::int64_t const outputs : {1, 5, 15, 16, 17, 33, 100, 200}) {
            SCOPED_TRACE(testing::Message() << cols << " columns, " << outputs << " outputs");
            auto const weights = randomFloats(outputs * cols, 1);
            auto const input = randomFloats(kMaxRows * cols, 2, 5);
            auto const biases = randomFloats(outputs, 3);
            auto const expected = reference(
                quantizedRows(input, cols, quantizedInput), quantizedRows(weights, cols, quantizedWeights), biases);
            auto const bias = fp32Matrix(biases, 1, outputs);
            auto const matrix = cpu.prepareMatrix(fp32Matrix(weights, outputs, cols), WeightType::kINT8, &bias);
            for (std::int64_t const rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 16, 65}) {
                auto const result = product(cpu, *matrix, input, rows);
                expectClose(result, std::span(expected).first(result.size()), 1e-6);
            }
        }
    }
}

/// No sum of two products may saturate: all integers at their limits, with equal signs and with different ones.
TEST_P(Int8, LargestIntegersAreExact) {
    constexpr std::int64_t kCols = 4096;
    auto cpu = backend();
    std::vector<float> weights(2 * kCols, 127);
    std::fill_n(weights.begin(), kCols, -127.0F);
    std::vector<float> const input(2 * kCols, -1);
    auto const matrix = cpu.prepareMatrix(fp32Matrix(weights, 2, kCols), WeightType::kINT8, nullptr);
    std::vector<double> const expected{127.0 * kCols, -127.0 * kCols, 127.0 * kCols, -127.0 * kCols};
    expectClose(product(cpu, *matrix, input, 2), expected, 1e-6);
}

TEST_P(Int8, RowsOfZerosOrNearlyZero) {
    auto cpu = backend();
    std::vector<float> weights{0, 0, 0, 1, 2, 3, 1e-42F, 0, 0};
    auto const matrix = cpu.prepareMatrix(fp32Matrix(weights, 3, 3), WeightType::kINT8, nullptr);
    std::vector<float> const input{0, 0, 0, 1e-42F, 0, 1e-42F, 1, 1, 1};
    expectClose(product(cpu, *matrix, input, 3), std::vector<double>{0, 0, 0, 0, 0, 0, 0, 6, 0}, 1e-2);
}

TEST_P(Int8, QuantisesEachRowByItself) {
    auto cpu = backend();
    auto const weights = randomFloats(20 * 64, 1);
    auto const matrix = cpu.prepareMatrix(fp32Matrix(weights, 20, 64), WeightType::kINT8, nullptr);
    auto input = randomFloats(2 * 64, 2);
    auto const before = product(cpu, *matrix, input, 2);
    std::transform(input.begin() + 64, input.end(), input.begin() + 64, [](float value) { return value * 1e6F; });
    auto const after = product(cpu, *matrix, input, 2);
    EXPECT_TRUE(std::equal(before.begin(), before.begin() + 20, after.begin()));
}

/// INT8 weights of a checkpoint keep their integers, -128 included, and their scales.
TEST_P(Int8, KeepsIntegersOfTheCheckpoint) {
    auto cpu = backend();
    std::vector<std::int8_t> const integers{-128, 127, 3, -1, 5, 7};
    std::vector<float> const scales{0.5F, 0.25F};
    HostMatrix const source{integers.data(), DataType::kINT8, 2, 3, scales};
    auto const matrix = cpu.prepareMatrix(source, WeightType::kINT8, nullptr);
    std::vector<float> const input{127, 127, 127, 127, 0, 0};
    std::vector<double> const expected{127 * 2 * 0.5, 127 * 11 * 0.25, -127 * 128 * 0.5, -127 * 0.25};
    expectClose(product(cpu, *matrix, input, 2), expected, 1e-6);
}

TEST(PreparedMatrix, RefusesInt8RowsThatCouldOverflow) {
    std::vector<float> const values(132105, 1);
    EXPECT_NO_THROW(PreparedMatrix(fp32Matrix(values, 1, 132104), WeightType::kINT8, nullptr, 1));
    EXPECT_THROW(PreparedMatrix(fp32Matrix(values, 1, 132105), WeightType::kINT8, nullptr, 1), std::invalid_argument);
}

} // namespace
} // namespace embedded::compute
