/// Decoders without their encoder, cross-attention masks, and models from memory.
#include "testing/testExecutor.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <iterator>

namespace embedded {
namespace {

namespace texec = tensorrt_llm::executor;
using testing::executorConfig;
using testing::makeExecutor;
using testing::model;

constexpr SizeType32 kMAX_TOKENS = 9;

texec::Request makeRequest() {
    texec::OutputConfig output;
    output.excludeInputFromOutput = true;
    output.returnEncoderOutput = true;
    output.returnGenerationLogits = true;
    return {{0, 4}, kMAX_TOKENS, false, texec::SamplingConfig(), output};
}

texec::Request requestFor(texec::VecTokens const& input) {
    auto request = makeRequest();
    request.setEncoderInputTokenIds(input);
    return request;
}

texec::Request requestFor(texec::Tensor const& features) {
    auto request = makeRequest();
    request.setEncoderInputFeatures(features);
    return request;
}

texec::Result run(texec::Executor& executor, texec::Request const& request) {
    auto const response = executor.awaitResponses(executor.enqueueRequest(request)).at(0);
    EXPECT_FALSE(response.hasError()) << response.getErrorMsg();
    return response.getResult();
}

std::vector<float> floatsOf(texec::Tensor const& tensor) {
    auto const* const values = static_cast<float const*>(tensor.getData());
    return {values, values + tensor.getSize()};
}

std::unique_ptr<texec::Executor> decoderAlone() {
    return std::make_unique<texec::Executor>(
        model() / "decoder", texec::ModelType::kENCODER_DECODER, executorConfig({.gatherGenerationLogits = true}));
}

/// Some rows of an encoder's output.
texec::Tensor rowsOf(texec::Tensor const& output, std::vector<std::int64_t> const& rows) {
    auto const cols = output.getShape()[1];
    auto tensor = texec::Tensor::cpu(texec::DataType::kFP32, {std::ssize(rows), cols});
    auto* target = static_cast<float*>(tensor.getData());
    for (auto const row : rows) {
        target = std::copy_n(static_cast<float const*>(output.getData()) + row * cols, cols, target);
    }
    return tensor;
}

TEST(DecoderAlone, GivesTheTokensOfTheWholeModel) {
    auto const whole = makeExecutor(model(), {.gatherGenerationLogits = true});
    auto const alone = decoderAlone();
    std::vector<texec::Result> expected;
    std::vector<texec::Request> requests;
    for (SizeType32 const length : {1, 7, 40}) {
        expected.push_back(run(*whole, requestFor(texec::VecTokens(static_cast<std::size_t>(length), 3 + length))));
        requests.push_back(requestFor(*expected.back().encoderOutput));
        requests.back().setEncoderOutputLength(length);
    }
    auto const ids = alone->enqueueRequests(requests); // one batch
    for (std::size_t i = 0; i < ids.size(); ++i) {
        auto const result = alone->awaitResponses(ids[i]).at(0).getResult();
        EXPECT_EQ(result.outputTokenIds, expected[i].outputTokenIds);
        EXPECT_EQ(floatsOf(*result.generationLogits), floatsOf(*expected[i].generationLogits));
        EXPECT_EQ(floatsOf(*result.encoderOutput), floatsOf(*expected[i].encoderOutput));
    }
}

TEST(DecoderAlone, RefusesOtherInputByName) {
    auto const alone = decoderAlone();
    auto const error = [&](texec::Request const& request) {
        auto const response = alone->awaitResponses(alone->enqueueRequest(request)).at(0);
        return response.hasError() ? response.getErrorMsg() : "";
    };
    EXPECT_EQ(error(requestFor(texec::VecTokens{5})),
        "[ERR_INVALID_ARGUMENT] encoderInputFeatures must be set, as the decoder is loaded without its encoder");
    EXPECT_NE(
        error(requestFor(texec::Tensor::cpu(texec::DataType::kFP32, {3, 5}))).find("must be FP32 [encoder tokens"),
        std::string::npos);
    auto const whole = makeExecutor(model(), {.gatherGenerationLogits = true});
    auto request = requestFor(*run(*whole, requestFor(texec::VecTokens{5, 6})).encoderOutput);
    request.setEncoderOutputLength(3);
    EXPECT_EQ(error(request), "[ERR_INVALID_ARGUMENT] encoderOutputLength must be the length of the input, 2, got 3");
}

/// A masked position is as good as one that is not there.
TEST(CrossAttentionMask, HidesEncoderPositionsFromTheDecoder) {
    auto const whole = makeExecutor(model(), {.gatherGenerationLogits = true});
    auto const alone = decoderAlone();
    texec::VecTokens const input{5, 30, 9, 61, 7, 8, 40};
    std::vector<std::int64_t> const seen{0, 2, 5};
    auto const plain = run(*whole, requestFor(input));
    auto const expected = run(*alone, requestFor(rowsOf(*plain.encoderOutput, seen)));
    auto request = requestFor(input);
    auto mask = texec::Tensor::cpu(texec::DataType::kBOOL, {1, std::ssize(input)});
    auto* const values = static_cast<bool*>(mask.getData());
    std::fill_n(values, input.size(), false);
    for (auto const position : seen) {
        values[position] = true;
    }
    request.setCrossAttentionMask(mask);
    auto const result = run(*whole, request);
    EXPECT_EQ(result.outputTokenIds, expected.outputTokenIds);
    auto const logits = floatsOf(*result.generationLogits);
    auto const expectedLogits = floatsOf(*expected.generationLogits);
    for (std::size_t i = 0; i < logits.size(); ++i) {
        ASSERT_NEAR(logits[i], expectedLogits[i], 1e-4F);
    }
    EXPECT_NE(logits, floatsOf(*plain.generationLogits));
    EXPECT_EQ(floatsOf(*result.encoderOutput), floatsOf(*plain.encoderOutput)) << "the encoder sees everything";
}

/// Row r is for the decoder's position r; positions past the last row have that row.
TEST(CrossAttentionMask, HasARowForEachPosition) {
    auto const whole = makeExecutor(model(), {.gatherGenerationLogits = true});
    texec::VecTokens const input{5, 30, 9};
    auto const plain = run(*whole, requestFor(input));
    auto request = requestFor(input);
    auto mask = texec::Tensor::cpu(texec::DataType::kBOOL, {4, 3});
    auto* const values = static_cast<bool*>(mask.getData());
    std::fill_n(values, 12, true);
    values[9] = false; // position 3, the second generated token, and all that follow
    request.setCrossAttentionMask(mask);
    auto const masked = run(*whole, request);
    auto const vocabSize = static_cast<std::ptrdiff_t>(plain.generationLogits->getShape()[2]);
    auto const expected = floatsOf(*plain.generationLogits);
    auto const logits = floatsOf(*masked.generationLogits);
    // The first step reads positions 0 and 1, the second position 2, the third position 3.
    EXPECT_TRUE(std::equal(logits.begin(), logits.begin() + 2 * vocabSize, expected.begin()));
    EXPECT_FALSE(
        std::equal(logits.begin() + 2 * vocabSize, logits.begin() + 3 * vocabSize, expected.begin() + 2 * vocabSize));
}

std::string contentOf(std::filesystem::path const& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

texec::BufferView viewOf(std::string const& content) {
    return {reinterpret_cast<std::uint8_t const*>(content.data()), content.size()};
}

TEST(ModelFromMemory, IsTheModelOfTheFiles) {
    auto const config = executorConfig({.gatherGenerationLogits = true});
    std::unique_ptr<texec::Executor> fromMemory;
    {
        auto const encoder = contentOf(model() / "encoder" / "rank0.safetensors");
        auto const decoder = contentOf(model() / "decoder" / "rank0.safetensors");
        fromMemory = std::make_unique<texec::Executor>(viewOf(encoder), contentOf(model() / "encoder" / "config.json"),
            viewOf(decoder), contentOf(model() / "decoder" / "config.json"), texec::ModelType::kENCODER_DECODER,
            config);
    }
    auto const fromFiles = makeExecutor(model(), {.gatherGenerationLogits = true});
    auto const request = requestFor(texec::VecTokens{5, 30, 9});
    EXPECT_EQ(
        floatsOf(*run(*fromMemory, request).generationLogits), floatsOf(*run(*fromFiles, request).generationLogits));
}

TEST(ModelFromMemory, ErrorsNameWhatIsWrong) {
    auto const config = executorConfig({});
    auto const decoder = contentOf(model() / "decoder" / "rank0.safetensors");
    auto const json = contentOf(model() / "decoder" / "config.json");
    auto const error = [&](std::string const& weights, std::string const& text, texec::ModelType type) {
        return testing::errorOf([&] { (void)texec::Executor(viewOf(weights), text, type, config); });
    };
    auto const type = texec::ModelType::kENCODER_DECODER;
    EXPECT_EQ(error(decoder, json, type), "");
    EXPECT_EQ(error(decoder, "{", type), "[ERR_MODEL_INVALID] decoder configuration: not a JSON object");
    EXPECT_EQ(error(decoder.substr(0, 4), json, type),
        "[ERR_MODEL_INVALID] decoder engine buffer: truncated: shorter than the header length");
    EXPECT_EQ(error(decoder, json, texec::ModelType::kDECODER_ONLY),
        "[ERR_UNSUPPORTED] the embedded runtime runs encoder-decoder models only");
}

} // namespace
} // namespace embedded
