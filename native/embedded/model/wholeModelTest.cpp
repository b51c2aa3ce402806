/// The whole runtime on checkpoints that are divided between ranks or quantised: bit for bit what it computes on the
/// undivided checkpoint of the same values.
#include "testing/testCheckpoint.h"
#include "testing/testExecutor.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <random>

namespace embedded {
namespace {

namespace texec = tensorrt_llm::executor;
using testing::floatTensor;
using testing::makeExecutor;
using testing::randomBart;
using testing::StoredTensor;
using testing::TemporaryFolder;
using testing::TestCheckpoint;
using testing::writeCheckpoint;

struct TestModel {
    TestCheckpoint encoder;
    TestCheckpoint decoder;
};

struct Output {
    texec::VecTokens tokens;
    std::vector<float> encoderOutput;
    std::vector<float> logits;

    bool operator==(Output const&) const = default;
};

std::vector<float> floatsOf(texec::Tensor const& tensor) {
    auto const* const values = static_cast<float const*>(tensor.getData());
    return {values, values + tensor.getSize()};
}

Output runFolder(std::filesystem::path const& folder) {
    auto const executor = makeExecutor(folder, {.gatherGenerationLogits = true});
    texec::OutputConfig output;
    output.excludeInputFromOutput = true;
    output.returnEncoderOutput = true;
    output.returnGenerationLogits = true;
    texec::Request request({2, 5}, 12, false, texec::SamplingConfig(), output);
    request.setEncoderInputTokenIds(texec::VecTokens{3, 17, 32, 4, 9, 2});
    auto const response = executor->awaitResponses(executor->enqueueRequest(request)).at(0);
    EXPECT_FALSE(response.hasError()) << response.getErrorMsg();
    auto const result = response.getResult();
    return {result.outputTokenIds.at(0), floatsOf(*result.encoderOutput), floatsOf(*result.generationLogits)};
}

Output run(TestModel const& model, SizeType32 tensorRanks = 1, SizeType32 stages = 1) {
    TemporaryFolder const folder;
    writeCheckpoint(folder.path() / "encoder", model.encoder, tensorRanks, stages);
    writeCheckpoint(folder.path() / "decoder", model.decoder, tensorRanks, stages);
    return runFolder(folder.path());
}

TestModel bart(bool normalizesAfter) {
    return {randomBart(Component::kENCODER, normalizesAfter), randomBart(Component::kDECODER, normalizesAfter)};
}

void expectSane(Output const& output) {
    EXPECT_EQ(output.tokens.size(), 12U);
    EXPECT_TRUE(std::ranges::all_of(output.logits, [](float logit) { return std::isfinite(logit); }));
}

TEST(WholeModel, DividedLikeUndivided) {
    for (bool const normalizesAfter : {false, true}) {
        auto const expected = run(bart(normalizesAfter));
        expectSane(expected);
        EXPECT_EQ(run(bart(normalizesAfter), 2, 2), expected) << normalizesAfter;
        EXPECT_EQ(run(bart(normalizesAfter), 4, 1), expected) << normalizesAfter;
    }
}

TEST(WholeModel, DividedRelativePositionsLikeUndivided) {
    auto const folder = testing::goldens() / "t5-v11-float16";
    TestModel const model{testing::readCheckpoint(folder / "encoder"), testing::readCheckpoint(folder / "decoder")};
    auto const expected = runFolder(folder);
    expectSane(expected);
    EXPECT_EQ(run(model, 2, 2), expected);
    EXPECT_EQ(run(model, 4, 2), expected);
}

/// E4M3, by its definition.
float fp8Value(std::uint8_t bits) {
    int const exponent = bits >> 3 & 15;
    int const mantissa = bits & 7;
    float const magnitude = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -9)
                                          : std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
    return bits >= 0x80 ? -magnitude : magnitude;
}

/// Replaces the linear weights of the layers by random quantised ones, in `plain` by their values.
class Quantiser {
public:
    explicit Quantiser(bool fp8)
        : mFp8(fp8) {}

    void apply(TestCheckpoint& checkpoint, TestCheckpoint& plain) {
        checkpoint.config["quantization"] = {{"quant_algo", mFp8 ? "FP8" : "W8A16"}};
        for (auto const& [name, tensor] : plain.tensors) {
            if (name.starts_with("transformer.layers.") && tensor.shape.size() == 2) {
                quantise(name, checkpoint, plain);
            }
        }
    }

private:
    void quantise(std::string const& name, TestCheckpoint& checkpoint, TestCheckpoint& plain) {
        auto const shape = plain.tensors[name].shape;
        std::vector<float> scales(mFp8 ? 1 : static_cast<std::size_t>(shape[0]));
        std::ranges::generate(scales, [&] { return std::uniform_real_distribution<float>(0.5F, 1.5F)(mGenerator); });
        for (auto& scale : scales) {
            scale *= mFp8 ? 0.02F : 0.005F;
        }
        std::string bytes;
        std::vector<float> values;
        for (std::int64_t i = 0; i < shape[0] * shape[1]; ++i) {
            auto const bits = static_cast<std::uint8_t>(mGenerator());
            // FP8: exponents near that of 1, and no NaN.
            auto const kept = static_cast<std::uint8_t>(mFp8 ? bits & 0xBFU : bits);
            float const scale = scales[mFp8 ? 0 : static_cast<std::size_t>(i / shape[1])];
            values.push_back(scale * (mFp8 ? fp8Value(kept) : static_cast<float>(static_cast<std::int8_t>(kept))));
            bytes += static_cast<char>(kept);
        }
        checkpoint.tensors[name] = {mFp8 ? "F8_E4M3" : "I8", shape, bytes};
        auto const scaleName = name.substr(0, name.size() - 6) + "weights_scaling_factor";
        checkpoint.tensors[scaleName] = floatTensor({std::ssize(scales)}, scales);
        plain.tensors[name] = floatTensor(shape, values);
    }

    bool mFp8;
    std::mt19937 mGenerator{7};
};

TEST(WholeModel, QuantisedLikeItsValues) {
    for (bool const fp8 : {false, true}) {
        SCOPED_TRACE(fp8 ? "FP8" : "INT8");
        auto plain = bart(true);
        auto quantised = plain;
        Quantiser quantiser(fp8);
        quantiser.apply(quantised.encoder, plain.encoder);
        quantiser.apply(quantised.decoder, plain.decoder);
        auto const expected = run(plain);
        expectSane(expected);
        EXPECT_EQ(run(quantised), expected);
        EXPECT_EQ(run(quantised, 2, 2), expected);
    }
}

} // namespace
} // namespace embedded
