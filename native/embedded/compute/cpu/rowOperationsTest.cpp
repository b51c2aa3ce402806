#include "compute/cpu/cpuTestSupport.h"

#include <functional>
#include <limits>

namespace embedded::compute {
namespace {

constexpr float kNAN = std::numeric_limits<float>::quiet_NaN();
constexpr float kINFINITY = std::numeric_limits<float>::infinity();
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
    for (auto const activation : {Activation::kRELU, Activation::kSILU, Activation::kGELU_TANH}) {
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

TEST_P(RowOperations, Argmax) {
    struct Case {
        std::vector<float> values;
        TokenIdType expected;
    };
    std::vector<float> late(1000, -1);
    late[998] = 2;
    std::vector<float> twice(1000, -1);
    twice[77] = twice[500] = 3;
    std::vector<float> nanFirst(100, 0);
    nanFirst[0] = nanFirst[1] = kNAN;
    nanFirst[90] = 1;
    Case const cases[] = {{{5}, 0}, {{1, 2}, 1}, {{2, 2}, 0}, {late, 998}, {twice, 77}, {nanFirst, 90},
        {{kNAN, kNAN, kNAN}, 0}, {std::vector<float>(70, kNAN), 0}, {{kNAN, -kINFINITY}, 1},
        {std::vector<float>(70, -kINFINITY), 0}, {{0, kINFINITY, kNAN}, 1}, {{-0.0F, 0}, 0}};
    auto cpu = backend();
    for (auto const& [values, expected] : cases) {
        TokenIdType token = -1;
        cpu.argmax(values.data(), 1, std::ssize(values), {&token, 1});
        EXPECT_EQ(token, expected) << testing::PrintToString(values);
    }
}

TEST_P(RowOperations, ArgmaxOfManyRows) {
    auto cpu = backend(2);
    auto const logits = randomFloats(50 * 1001, 6);
    std::vector<TokenIdType> tokens(50);
    cpu.argmax(logits.data(), 50, 1001, tokens);
    for (std::size_t row = 0; row < 50; ++row) {
        auto const first = logits.begin() + static_cast<std::ptrdiff_t>(row * 1001);
        EXPECT_EQ(tokens[row], std::max_element(first, first + 1001) - first);
    }
}

TEST_P(RowOperations, TokenLogProbs) {
    auto cpu = backend();
    auto twoThreads = backend(2);
    for (std::int64_t const vocabSize : {1, 5, 16, 33, 100, 32128}) {
        auto const logits = randomFloats(4 * vocabSize, 7, 5);
        std::vector<SizeType32> const rows{2, 0, 3};
        std::vector<TokenIdType> const tokens{0, static_cast<TokenIdType>(vocabSize - 1), 0};
        std::vector<double> expected;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            auto const row = std::span(logits).subspan(
                static_cast<std::size_t>(rows[i] * vocabSize), static_cast<std::size_t>(vocabSize));
            double sum = 0;
            for (float const logit : row) {
                sum += std::exp(static_cast<double>(logit));
            }
            expected.push_back(static_cast<double>(row[static_cast<std::size_t>(tokens[i])]) - std::log(sum));
        }
        std::vector<float> logProbs(3);
        cpu.tokenLogProbs(logits.data(), vocabSize, rows, tokens, logProbs);
        expectClose(logProbs, expected, 2e-6);
        std::vector<float> other(3);
        twoThreads.tokenLogProbs(logits.data(), vocabSize, rows, tokens, other);
        EXPECT_EQ(other, logProbs);
    }
}

TEST_P(RowOperations, CopiesRowsAndVectors) {
    auto cpu = backend(2);
    auto const values = randomFloats(300 * 33, 8);
    std::vector<TokenIdType> const ids{299, 0, 7, 7};
    std::vector<float> embedded(4 * 33);
    std::vector<float> gathered(4 * 33);
    cpu.embed(*cpu.prepareTable(fp32Matrix(values, 300, 33), WeightType::kFP32), ids, embedded.data());
    cpu.gatherRows(values.data(), ids, 33, gathered.data());
    EXPECT_EQ(embedded, gathered);
    EXPECT_TRUE(std::equal(embedded.begin(), embedded.begin() + 33, values.end() - 33));

    cpu.embed(*cpu.prepareTable(fp32Matrix(values, 300, 33), WeightType::kBF16), ids, embedded.data());
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
