/// What the tests of the CPU backend share: every target of the machine in turn, random data, comparisons.
#pragma once

#include "compute/cpu/cpuBackend.h"

#include <cmath>
#include <cstdint>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

namespace embedded::compute {

/// A test that runs once for each instruction set of the machine.
class EachTarget : public testing::TestWithParam<Target> {
protected:
    [[nodiscard]] CpuBackend backend(SizeType32 numThreads = 1) const { return {numThreads, kernels(GetParam())}; }
};

inline std::string targetName(testing::TestParamInfo<Target> const& info) {
    std::string name = toString(info.param);
    std::erase_if(name, [](char c) { return c == '-' || c == ' '; });
    return name;
}

#define INSTANTIATE_FOR_EACH_TARGET(suite)                                                                             \
    INSTANTIATE_TEST_SUITE_P(Cpu, suite, testing::ValuesIn(supportedTargets()), targetName)

/// Normally distributed; the same for the same seed.
inline std::vector<float> randomFloats(std::int64_t count, unsigned seed, float scale = 1) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> distribution(0, scale);
    std::vector<float> values(static_cast<std::size_t>(count));
    for (auto& value : values) {
        value = distribution(generator);
    }
    return values;
}

inline HostMatrix fp32Matrix(std::vector<float> const& values, std::int64_t rows, std::int64_t cols) {
    return {values.data(), DataType::kFP32, rows, cols};
}

/// [rows, weight.rows()] of a product.
inline std::vector<float> product(
    CpuBackend& backend, Matrix const& weight, std::span<float const> input, std::int64_t rows) {
    std::vector<float> output(static_cast<std::size_t>(rows * weight.rows()), std::nanf(""));
    backend.matmul(weight, input.data(), rows, output.data());
    return output;
}

/// Each value within `tolerance` of its reference, relative to the reference where that is larger than 1.
inline void expectClose(std::span<float const> values, std::span<double const> references, double tolerance) {
    ASSERT_EQ(values.size(), references.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        double const limit = tolerance * std::max(1.0, std::abs(references[i]));
        ASSERT_LE(std::abs(values[i] - references[i]), limit)
            << "at " << i << ": " << values[i] << ", not " << references[i];
    }
}

} // namespace embedded::compute
