#include "tensorrt_llm/executor/request.h"

#include "executor/valueTesting.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <type_traits>
#include <utility>

namespace tensorrt_llm::executor {

TEST(OutputConfig, Defaults) {
    OutputConfig const config;
    EXPECT_FALSE(config.returnLogProbs);
    EXPECT_FALSE(config.returnContextLogits);
    EXPECT_FALSE(config.returnGenerationLogits);
    EXPECT_FALSE(config.excludeInputFromOutput);
    EXPECT_FALSE(config.returnEncoderOutput);
    EXPECT_FALSE(config.returnPerfMetrics);
    EXPECT_FALSE(config.additionalModelOutputs);
    static_assert(!std::is_convertible_v<bool, OutputConfig>);
}

TEST(OutputConfig, ParametersKeepTheirOrder) {
    for (std::size_t position = 0; position < 6; ++position) {
        bool flags[6]{};
        flags[position] = true;
        OutputConfig const config(flags[0], flags[1], flags[2], flags[3], flags[4], flags[5]);
        bool const fields[]{config.returnLogProbs, config.returnContextLogits, config.returnGenerationLogits,
            config.excludeInputFromOutput, config.returnEncoderOutput, config.returnPerfMetrics};
        EXPECT_TRUE(std::equal(std::begin(flags), std::end(flags), std::begin(fields))) << position;
    }
    std::vector const outputs{AdditionalModelOutput("topK", true)};
    EXPECT_EQ(OutputConfig(false, false, false, false, false, false, outputs).additionalModelOutputs, outputs);
}

TEST(AdditionalModelOutput, ComparesNameAndContext) {
    EXPECT_FALSE(AdditionalModelOutput("a").gatherContext);
    EXPECT_TRUE(AdditionalModelOutput("a") == AdditionalModelOutput("a", false));
    EXPECT_FALSE(AdditionalModelOutput("a") == AdditionalModelOutput("a", true));
    EXPECT_FALSE(AdditionalModelOutput("a") == AdditionalModelOutput("b"));
}

TEST(LoraConfig, ChecksItsTensors) {
    auto const config = Tensor::cpu<std::int32_t>({2, 3});
    auto const weights = Tensor::cpu<float>({2, 8});
    struct Case {
        std::optional<Tensor> weights;
        std::optional<Tensor> config;
        std::string error;
    };
    Case const cases[]{
        {{}, {}, ""},
        {{}, config, ""},
        {weights, config, ""},
        {weights, {}, invalid("LoRA config must be given together with the weights, got none")},
        {{}, Tensor::cpu<std::int32_t>({6}), invalid("rank of the LoRA config must be 2, got 1")},
        {{}, Tensor::cpu<float>({2, 3}), invalid("element type of the LoRA config must be INT32, got FP32")},
        {Tensor::cpu<float>({1, 2, 8}), config, invalid("rank of the LoRA weights must be 2, got 3")},
        {Tensor::cpu<float>({3, 8}), config, invalid("rows of the LoRA weights must be 2, got 3")},
        {Tensor(), config, invalid("rank of the LoRA weights must be 2, got 0")},
    };
    for (auto const& each : cases) {
        EXPECT_EQ(errorOf([&] { return LoraConfig(7, each.weights, each.config); }), each.error);
    }
    LoraConfig const lora(7, weights, config);
    EXPECT_EQ(lora.getTaskId(), 7);
    EXPECT_EQ(lora.getWeights(), weights);
    EXPECT_EQ(lora.getConfig(), config);
}

TEST(Request, Defaults) {
    Request const request({3}, 10);
    EXPECT_EQ(request.getInputTokenIds(), VecTokens{3});
    EXPECT_EQ(request.getMaxTokens(), 10);
    EXPECT_FALSE(request.getStreaming());
    EXPECT_TRUE(request.getSamplingConfig() == SamplingConfig());
    EXPECT_FALSE(request.getOutputConfig().returnLogProbs);
    EXPECT_FALSE(request.getEndId());
    EXPECT_FALSE(request.getPadId());
    EXPECT_FALSE(request.getPositionIds());
    EXPECT_FALSE(request.getBadWords());
    EXPECT_FALSE(request.getStopWords());
    EXPECT_FALSE(request.getEmbeddingBias());
    EXPECT_FALSE(request.getLoraConfig());
    EXPECT_FALSE(request.getLogitsPostProcessorName());
    EXPECT_FALSE(request.getLogitsPostProcessor());
    EXPECT_FALSE(request.getEncoderInputTokenIds());
    EXPECT_FALSE(request.getClientId());
    EXPECT_EQ(request.getPriority(), 0.5F);
    EXPECT_FALSE(request.getReturnAllGeneratedTokens());
    EXPECT_FALSE(request.getEncoderInputFeatures());
    EXPECT_FALSE(request.getEncoderOutputLength());
    EXPECT_FALSE(request.getCrossAttentionMask());
    EXPECT_EQ(request.getRequestType(), RequestType::REQUEST_TYPE_CONTEXT_AND_GENERATION);
    EXPECT_FALSE(request.getSkipCrossAttnBlocks());
    EXPECT_FALSE(request.getLanguageAdapterUid());
    EXPECT_FALSE(request.getAllottedTimeMs());
    EXPECT_FALSE(request.getCacheSaltID());
    EXPECT_STREQ(Request::kBatchedPostProcessorName, "batched");
    EXPECT_STREQ(Request::kDynamicPostProcessorNamePrefix, "dynamic");
}

TEST(Request, ConstructorParameters) {
    auto const bias = Tensor::cpu<float>({5});
    Request const request({3}, 10, true, SamplingConfig(2), OutputConfig(true), 1, 2, std::vector<SizeType32>{0},
        std::list<VecTokens>{{4}}, std::list<VecTokens>{{5, 6}}, bias);
    EXPECT_TRUE(request.getStreaming());
    EXPECT_EQ(request.getSamplingConfig().getBeamWidth(), 2);
    EXPECT_TRUE(request.getOutputConfig().returnLogProbs);
    EXPECT_EQ(request.getEndId(), 1);
    EXPECT_EQ(request.getPadId(), 2);
    EXPECT_EQ(request.getPositionIds(), std::vector<SizeType32>{0});
    EXPECT_EQ(request.getBadWords(), (std::list<VecTokens>{{4}}));
    EXPECT_EQ(request.getStopWords(), (std::list<VecTokens>{{5, 6}}));
    EXPECT_EQ(request.getEmbeddingBias(), bias);
}

TEST(Request, ConstructorChecks) {
    auto const with = [](VecTokens tokens, SizeType32 maxTokens, std::optional<Tensor> bias = std::nullopt) {
        return errorOf([&] {
            return Request(tokens, maxTokens, false, SamplingConfig(), OutputConfig(), {}, {}, {}, {}, {}, bias);
        });
    };
    EXPECT_EQ(with({0}, 1), "");
    EXPECT_EQ(with({}, 1), invalid("inputTokenIds length must be >= 1, got 0"));
    EXPECT_EQ(with({0}, 0), invalid("maxTokens must be > 0, got 0"));
    EXPECT_EQ(with({0}, -1), invalid("maxTokens must be > 0, got -1"));
    EXPECT_EQ(with({0}, 1, Tensor::cpu<float>({1, 5})), invalid("rank of embeddingBias must be 1, got 2"));
    EXPECT_EQ(with({0}, 1, Tensor()), invalid("rank of embeddingBias must be 1, got 0"));
}

TEST(Request, SettersAreReadBack) {
    auto const tensor = Tensor::cpu<float>({5});
    Request request({3}, 10);
    using R = Request;
    reads(request, &R::setStreaming, &R::getStreaming, true);
    reads(request, &R::setSamplingConfig, &R::getSamplingConfig, SamplingConfig(4));
    reads(request, &R::setEndId, &R::getEndId, -1);
    reads(request, &R::setPadId, &R::getPadId, 2);
    reads(request, &R::setPositionIds, &R::getPositionIds, std::vector<SizeType32>{0, 1});
    reads(request, &R::setBadWords, &R::getBadWords, std::list<VecTokens>{{1}});
    reads(request, &R::setStopWords, &R::getStopWords, std::list<VecTokens>{{2}});
    reads(request, &R::setEmbeddingBias, &R::getEmbeddingBias, tensor);
    reads(request, &R::setLogitsPostProcessorName, &R::getLogitsPostProcessorName, std::string("name"));
    reads(request, &R::setEncoderInputTokenIds, &R::getEncoderInputTokenIds, VecTokens{7, 8});
    reads(request, &R::setClientId, &R::getClientId, IdType{9});
    reads(request, &R::setPriority, &R::getPriority, 0.75F);
    reads(request, &R::setReturnAllGeneratedTokens, &R::getReturnAllGeneratedTokens, true);
    reads(request, &R::setRequestType, &R::getRequestType, RequestType::REQUEST_TYPE_CONTEXT_ONLY);
    reads(request, &R::setEncoderInputFeatures, &R::getEncoderInputFeatures, tensor);
    reads(request, &R::setEncoderOutputLength, &R::getEncoderOutputLength, 11);
    reads(request, &R::setCrossAttentionMask, &R::getCrossAttentionMask, tensor);
    reads(request, &R::setSkipCrossAttnBlocks, &R::getSkipCrossAttnBlocks, tensor);
    reads(request, &R::setLanguageAdapterUid, &R::getLanguageAdapterUid, 1);
    reads(request, &R::setAllottedTimeMs, &R::getAllottedTimeMs, MillisecondsType(5));
    reads(request, &R::setCacheSaltID, &R::getCacheSaltID, CacheSaltIDType{6});

    request.setOutputConfig(OutputConfig(true));
    EXPECT_TRUE(request.getOutputConfig().returnLogProbs);
    request.setLoraConfig(LoraConfig(12));
    EXPECT_EQ(request.getLoraConfig()->getTaskId(), 12);
    request.setLogitsPostProcessor([](IdType, Tensor&, BeamTokens const&, StreamPtr const&, std::optional<IdType>) {});
    EXPECT_TRUE(request.getLogitsPostProcessor().has_value());
    request.setLogitsPostProcessor(std::nullopt);
    EXPECT_FALSE(request.getLogitsPostProcessor().has_value());
    EXPECT_EQ(errorOf([&] { return request.setEmbeddingBias(Tensor()), 0; }),
        invalid("rank of embeddingBias must be 1, got 0"));
    EXPECT_EQ(request.getEmbeddingBias(), tensor);
}

TEST(Request, CopiesAreDeepButShareTensors) {
    Request original({3}, 10);
    original.setEncoderInputTokenIds({1});
    original.setEmbeddingBias(Tensor::cpu<float>({5}));
    Request copy(original);
    original.setEncoderInputTokenIds({2});
    EXPECT_EQ(copy.getEncoderInputTokenIds(), VecTokens{1});
    EXPECT_EQ(copy.getEmbeddingBias(), original.getEmbeddingBias());
    copy = original;
    EXPECT_EQ(copy.getEncoderInputTokenIds(), VecTokens{2});
    auto const& self = copy;
    copy = self;
    EXPECT_EQ(copy.getEncoderInputTokenIds(), VecTokens{2});
}

TEST(Request, MovedFromMayBeCopiedAssignedAndDestroyed) {
    static_assert(std::is_nothrow_move_constructible_v<Request> && std::is_nothrow_move_assignable_v<Request>);
    Request original({3}, 10);
    Request moved(std::move(original));
    EXPECT_EQ(moved.getInputTokenIds(), VecTokens{3});
    Request copy(original);
    copy = original;
    original = moved;
    EXPECT_EQ(original.getInputTokenIds(), VecTokens{3});
    copy = std::move(original);
    EXPECT_EQ(copy.getMaxTokens(), 10);
}

} // namespace tensorrt_llm::executor
