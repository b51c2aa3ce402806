#include "compute/cpu/cpuTestSupport.h"

#include <functional>

namespace embedded::compute {
namespace {

constexpr std::int64_t kSIZES[] = {1, 3, 15, 16, 17, 31, 64, 100, 513};

class RowOperations : public EachTarget {};
INSTANTIATE_FOR_EACH_TARGET(RowOperations);

TEST_P(RowOperations, RmsNorm) {
    auto cpu = backend();
    auto twoThreads = backend(2);
    for (std::int64_t const cols : kSIZES) {
        constexpr std::int64_t kRows = 64;
        auto const input = randomFloats(kRows * cols, 1, 3);
        auto const weights = randomFloats(cols, 2);
        auto const weight = cpu.prepareVector(fp32Matrix(weights, 1, cols), 1);
        std::vector<double> expected;
        for (std::int64_t i = 0; i < kRows * cols; ++i) {
            double squares = 0;
            for (std::int64_t col = 0; col < cols; ++col) {
                squares += std::pow(static_cast<double>(input[static_cast<std::size_t>(i / cols * cols + col)]), 2);
            }
            expected.push_back(static_cast<double>(input[static_cast<std::size_t>(i)])
                / std::sqrt(squares / static_cast<double>(cols) + 1e-6)
                * static_cast<double>(weights[static_cast<std::size_t>(i % cols)]));
        }
        std::vector<float> output(expected.size());
        cpu.rmsNorm(input.data(), *weight, 1e-6F, kRows, cols, output.data());
        expectClose(output, expected, 2e-6);

        std::vector<float> other(expected.size());
        twoThreads.rmsNorm(input.data(), *weight, 1e-6F, kRows, cols, other.data());
        EXPECT_EQ(other, output);
        cpu.rmsNorm(input.data() + (kRows - 1) * cols, *weight, 1e-6F, 1, cols, other.data());
        EXPECT_TRUE(std::equal(output.end() - cols, output.end(), other.begin())) << cols << " columns";
    }
}

TEST_P(RowOperations, Activations) {
    struct Case {
        Activation activation;
        std::function<double(double)> reference;
    };
    Case const cases[] = {
        {Activation::kRELU, [](double x) { return std::max(x, 0.0); }},
        {Activation::kSILU, [](double x) { return x / (1 + std::exp(-x)); }},
        {Activation::kGELU, [](double x) { return x * std::erfc(-x * M_SQRT1_2) / 2; }},
        // As 0.5 x (1 + tanh(u)), without its loss of digits for negative x.
        {Activation::kGELU_TANH,
            [](double x) { return x / (1 + std::exp(-2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }},
    };
    auto cpu = backend();
    auto input = randomFloats(10007, 3, 4);
    input.insert(input.end(), {0, -0.0F, 1e-30F, -1e-30F, 30, -30, 100, -100, 1e4F, -1e4F, 1e30F, -1e30F});
    auto const gate = randomFloats(std::ssize(input), 4);
    for (auto const& [activation, reference] : cases) {
        auto plain = input;
        auto gated = input;
        cpu.activate(activation, plain.data(), nullptr, std::ssize(plain));
        cpu.activate(activation, gated.data(), gate.data(), std::ssize(gated));
        for (std::size_t i = 0; i < input.size(); ++i) {
            double const expected = reference(static_cast<double>(input[i]));
            // Relative to the result, as long as that is not tiny: the rounding of a large exponent shows there.
            ASSERT_NEAR(plain[i], expected, 2e-6 * std::abs(expected) + 1e-12)
                << "activation " << static_cast<int>(activation) << " of " << input[i];
            ASSERT_EQ(gated[i], plain[i] * gate[i]);
        }
    }
}

TEST_P(RowOperations, ActivationsDoNotDependOnTheLengthOrTheThreads) {
    auto cpu = backend();
    auto twoThreads = backend(2);
    auto const input = randomFloats(20001, 5);
    for (auto const activation : {Activation::kRELU, Activation::kSILU, Activation::kGELU, Activation::kGELU_TANH}) {
        auto all = input;
        twoThreads.activate(activation, all.data(), nullptr, std::ssize(all));
        for (std::int64_t const count : kSIZES) {
            auto part = input;
            cpu.activate(activation, part.data(), nullptr, count);
            EXPECT_TRUE(std::equal(part.begin(), part.begin() + count, all.begin()));
            EXPECT_TRUE(std::equal(part.begin() + count, part.end(), input.begin() + count)) << "wrote past the end";
        }
    }
}

TEST_P(RowOperations, CopiesRowsAndVectors) {
    auto cpu = backend(2);
    auto const values = randomFloats(300 * 33, 8);
    std::vector<TokenIdType> const ids{299, 0, 7, 7};
    std::vector<float> embedded(4 * 33);
    std::vector<float> gathered(4 * 33);
    cpu.embed(*cpu.prepareTable(fp32Matrix(values, 300, 33), WeightType::kFP32), ids, 1, embedded.data());
    cpu.gatherRows(values.data(), ids, 33, gathered.data());
    EXPECT_EQ(embedded, gathered);
    EXPECT_TRUE(std::equal(embedded.begin(), embedded.begin() + 33, values.end() - 33));

    cpu.embed(*cpu.prepareTable(fp32Matrix(values, 300, 33), WeightType::kBF16), ids, 1, embedded.data());
    for (std::size_t i = 0; i < embedded.size(); ++i) {
        ASSERT_NEAR(embedded[i], gathered[i], std::abs(gathered[i]) / 256);
    }

    auto const vector = cpu.prepareVector(fp32Matrix(values, 1, 33), 2);
    std::vector<float> host(33);
    cpu.copyToHost(vector->data(), host);
    EXPECT_EQ(host[32], 2 * values[32]);
    EXPECT_EQ(vector->size(), 33U);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(cpu.allocate(100'000)->data()) % 64, 0U);
}

} // namespace
} // namespace embedded::compute
