#include "compute/cpu/cpuTestSupport.h"

#include <algorithm>

namespace embedded::compute {
namespace {

class Embedding : public EachTarget {};
INSTANTIATE_FOR_EACH_TARGET(Embedding);

constexpr std::int64_t kSIZES[] = {1, 3, 15, 16, 17, 31, 64, 100, 513};

std::size_t at(std::int64_t index) {
    return static_cast<std::size_t>(index);
}

TEST_P(Embedding, ScalesTokensAndAddsPositions) {
    auto cpu = backend(2);
    for (auto const type : {WeightType::kFP32, WeightType::kBF16}) {
        auto const tokens = randomFloats(50 * 33, 1);
        auto const positions = randomFloats(10 * 33, 2);
        auto const tokenTable = cpu.prepareTable(fp32Matrix(tokens, 50, 33), type);
        auto const positionTable = cpu.prepareTable(fp32Matrix(positions, 10, 33), type);
        std::vector<TokenIdType> const ids{49, 0, 7};
        std::vector<SizeType32> const places{0, 9, 9};
        std::vector<float> output(3 * 33);
        cpu.embed(*tokenTable, ids, 6.5F, output.data());
        cpu.embedAdd(*positionTable, places, output.data());
        double const tolerance = type == WeightType::kFP32 ? 1e-6 : 1.0 / 128;
        for (std::int64_t i = 0; i < std::ssize(output); ++i) {
            double const token = static_cast<double>(tokens[at(ids[at(i / 33)] * 33 + i % 33)]);
            double const position = static_cast<double>(positions[at(places[at(i / 33)] * 33 + i % 33)]);
            double const size = 6.5 * std::abs(token) + std::abs(position);
            ASSERT_NEAR(static_cast<double>(output[at(i)]), 6.5 * token + position, tolerance * size) << i;
        }
    }
}

std::vector<double> layerNormed(
    std::span<float const> row, std::span<float const> weights, std::span<float const> biases, double epsilon) {
    auto const count = static_cast<double>(row.size());
    double mean = 0;
    for (float const value : row) {
        mean += static_cast<double>(value) / count;
    }
    double variance = 0;
    for (float const value : row) {
        variance += std::pow(static_cast<double>(value) - mean, 2) / count;
    }
    std::vector<double> result;
    for (std::size_t i = 0; i < row.size(); ++i) {
        result.push_back(
            (static_cast<double>(row[i]) - mean) / std::sqrt(variance + epsilon) * static_cast<double>(weights[i])
            + static_cast<double>(biases[i]));
    }
    return result;
}

TEST_P(Embedding, LayerNorm) {
    constexpr std::int64_t kRows = 64;
    auto cpu = backend();
    auto twoThreads = backend(2);
    for (std::int64_t const cols : kSIZES) {
        auto input = randomFloats(kRows * cols, 1, 3);
        std::ranges::transform(input, input.begin(), [](float value) { return value + 5; });
        auto const weights = randomFloats(cols, 2);
        auto const biases = randomFloats(cols, 3);
        auto const weight = cpu.prepareVector(fp32Matrix(weights, 1, cols), 1);
        auto const bias = cpu.prepareVector(fp32Matrix(biases, 1, cols), 1);
        std::vector<double> expected;
        for (std::int64_t row = 0; row < kRows; ++row) {
            auto const values = std::span(input).subspan(at(row * cols), at(cols));
            auto const normed = layerNormed(values, weights, biases, 1e-5);
            expected.insert(expected.end(), normed.begin(), normed.end());
        }
        std::vector<float> output(input.size());
        cpu.layerNorm(input.data(), *weight, *bias, 1e-5F, kRows, cols, output.data());
        expectClose(output, expected, 1e-5);

        auto inPlace = input;
        twoThreads.layerNorm(inPlace.data(), *weight, *bias, 1e-5F, kRows, cols, inPlace.data());
        EXPECT_EQ(inPlace, output);
        std::vector<float> alone(at(cols));
        cpu.layerNorm(input.data() + (kRows - 1) * cols, *weight, *bias, 1e-5F, 1, cols, alone.data());
        EXPECT_TRUE(std::equal(alone.begin(), alone.end(), output.end() - cols)) << cols << " columns";
    }
}

} // namespace
} // namespace embedded::compute
