/// Adapters in the whole runtime: against the model that they are merged into, and beside each other.
#include "testing/testAdapter.h"
#include "testing/testExecutor.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace embedded {
namespace {

namespace texec = tensorrt_llm::executor;
using testing::allModules;
using testing::makeExecutor;
using testing::randomBart;
using testing::TemporaryFolder;
using testing::TestAdapter;
using testing::TestConfig;
using testing::TestModel;
using testing::TestModule;

constexpr SizeType32 kMAX_TOKENS = 12;

TestModel bart(bool normalizesAfter = true) {
    return {randomBart(Component::kENCODER, normalizesAfter), randomBart(Component::kDECODER, normalizesAfter)};
}

TestModel gatedT5() {
    auto const folder = testing::goldens() / "t5-v11";
    return {testing::readCheckpoint(folder / "encoder"), testing::readCheckpoint(folder / "decoder")};
}

/// A model in a folder of its own, and an executor for it.
class Running {
public:
    explicit Running(TestModel const& model, TestConfig test = {}) {
        writeCheckpoint(mFolder.path() / "encoder", model.encoder);
        writeCheckpoint(mFolder.path() / "decoder", model.decoder);
        test.gatherGenerationLogits = true;
        mExecutor = makeExecutor(mFolder.path(), test);
    }

    texec::Executor& operator*() const { return *mExecutor; }
    texec::Executor* operator->() const { return mExecutor.get(); }

    [[nodiscard]] std::string errorOf(texec::Request const& request) const {
        auto const response = mExecutor->awaitResponses(mExecutor->enqueueRequest(request)).at(0);
        return response.hasError() ? response.getErrorMsg() : "";
    }

private:
    TemporaryFolder mFolder;
    std::unique_ptr<texec::Executor> mExecutor;
};

texec::Request makeRequest(texec::VecTokens const& input, std::optional<texec::LoraConfig> const& lora) {
    texec::OutputConfig output;
    output.excludeInputFromOutput = true;
    output.returnEncoderOutput = true;
    output.returnGenerationLogits = true;
    texec::Request request({2, 5}, kMAX_TOKENS, false, texec::SamplingConfig(), output);
    request.setEncoderInputTokenIds(input);
    if (lora) {
        request.setLoraConfig(*lora);
    }
    return request;
}

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

Output outputOf(texec::Executor& executor, texec::IdType id) {
    auto const response = executor.awaitResponses(id).at(0);
    EXPECT_FALSE(response.hasError()) << response.getErrorMsg();
    if (response.hasError()) {
        return {};
    }
    auto const result = response.getResult();
    return {result.outputTokenIds.at(0), floatsOf(*result.encoderOutput), floatsOf(*result.generationLogits)};
}

texec::VecTokens const kINPUT{3, 17, 32, 4, 9, 2};

Output run(texec::Executor& executor, std::optional<texec::LoraConfig> const& lora = std::nullopt) {
    return outputOf(executor, executor.enqueueRequest(makeRequest(kINPUT, lora)));
}

void expectClose(std::vector<float> const& values, std::vector<float> const& expected, char const* what) {
    ASSERT_EQ(values.size(), expected.size());
    float largest = 0;
    float error = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        largest = std::max(largest, std::abs(expected[i]));
        error = std::max(error, std::abs(values[i] - expected[i]));
    }
    EXPECT_LE(error, 1e-4F * largest) << what;
}

void expectLikeMerged(TestModel const& model, std::vector<TestModule> const& modules) {
    TestAdapter const adapter(model, modules, 5);
    Running const plain(model);
    auto const without = run(*plain);
    auto const output = run(*plain, adapter.config(1));
    auto const expected = run(*Running(adapter.mergedInto(model)));
    EXPECT_EQ(output.tokens, expected.tokens);
    expectClose(output.encoderOutput, expected.encoderOutput, "encoder output");
    expectClose(output.logits, expected.logits, "logits");
    EXPECT_NE(output.logits, without.logits) << "the adapter changes nothing";
    EXPECT_EQ(run(*plain), without) << "the adapter stays in the weights";
}

TEST(LoraRequest, EachModuleLikeTheMergedModel) {
    for (auto const& model : {bart(), gatedT5()}) {
        auto modules = allModules(model, 5);
        modules.push_back({0, 0, 4}); // the fused ones
        modules.push_back({8, 1, 4});
        modules.push_back({0, modules.back().layer + 1, 4});
        for (auto const& module : modules) {
            SCOPED_TRACE("module " + std::to_string(module.id) + " of layer " + std::to_string(module.layer));
            expectLikeMerged(model, {module});
        }
    }
}

TEST(LoraRequest, AllModulesLikeTheMergedModel) {
    for (auto const& model : {bart(true), bart(false), gatedT5()}) {
        expectLikeMerged(model, allModules(model, 9));
    }
}

/// 32 adapters of ranks up to 64 and requests without one, in one batch, on one and two threads.
TEST(LoraRequest, ManyAdaptersInOneBatchLikeAlone) {
    auto const model = gatedT5();
    std::vector<texec::Request> requests;
    for (texec::IdType task = 1; task <= 32; ++task) {
        auto const rank = static_cast<SizeType32>(2 + 2 * (task - 1));
        auto modules = allModules(model, 1);
        for (auto& module : modules) {
            module.rank = std::max(4, rank);
        }
        texec::VecTokens const input(1 + task % 5 * 7, static_cast<texec::TokenIdType>(5 + task));
        auto const config = TestAdapter(model, modules, static_cast<unsigned>(task)).config(task);
        requests.push_back(makeRequest(input, config));
        if (task % 3 == 0) {
            requests.push_back(makeRequest(input, std::nullopt));
            requests.push_back(makeRequest({4, 5, 6}, texec::LoraConfig(task))); // joined with the first
            requests.push_back(makeRequest(input, texec::LoraConfig(task)));
            requests.back().setSamplingConfig(texec::SamplingConfig(3));
        }
    }
    Running const alone(model, {.maxBeamWidth = 3, .maxBatchSize = 1});
    std::vector<Output> expected;
    for (auto const& request : requests) {
        expected.push_back(outputOf(*alone, alone->enqueueRequest(request)));
    }
    for (SizeType32 const threads : {1, 2}) {
        Running const together(model, {.threads = threads, .maxBeamWidth = 3, .encoderTokenBudget = 100});
        auto const ids = together->enqueueRequests(requests);
        for (std::size_t i = 0; i < ids.size(); ++i) {
            EXPECT_EQ(outputOf(*together, ids[i]), expected[i]) << "request " << i << ", " << threads << " threads";
        }
    }
}

/// Equal inputs share an encoder pass only if they have the same adapter.
TEST(LoraRequest, EncoderReuseKnowsTheAdapter) {
    auto const model = bart();
    TestAdapter const first(model, allModules(model, 4), 1);
    TestAdapter const second(model, allModules(model, 4), 2);
    Running const fresh(model, {.reuseEncoder = false});
    auto const plain = run(*fresh).logits;
    auto const withFirst = run(*fresh, first.config(1)).logits;
    auto const withSecond = run(*fresh, second.config(2)).logits;
    ASSERT_NE(withFirst, withSecond);
    Running const reusing(model);
    auto const logits = [&](std::optional<texec::LoraConfig> const& lora) {
        auto request = makeRequest(kINPUT, lora);
        texec::OutputConfig output = request.getOutputConfig();
        output.returnEncoderOutput = false; // which switches reuse off
        request.setOutputConfig(output);
        auto const response = reusing->awaitResponses(reusing->enqueueRequest(request)).at(0);
        EXPECT_FALSE(response.hasError()) << response.getErrorMsg();
        return floatsOf(*response.getResult().generationLogits);
    };
    for (int round = 0; round < 2; ++round) {
        EXPECT_EQ(logits(std::nullopt), plain);
        EXPECT_EQ(logits(first.config(1)), withFirst);
        EXPECT_EQ(logits(second.config(2)), withSecond);
    }
}

TEST(LoraRequest, BadAdaptersFailByNameAndHurtNobody) {
    auto const model = bart();
    Running const running(model, {.peftCache = texec::PeftCacheConfig(0, 0, 1, 8)});
    auto const before = run(*running);
    EXPECT_EQ(running.errorOf(makeRequest(kINPUT, texec::LoraConfig(7))),
        "[ERR_LORA_NOT_FOUND] LoRA task 7 is not in the cache, and the request brings no weights");
    auto const tooLarge = TestAdapter(model, {{5, 0, 9}}, 1).config(8);
    EXPECT_EQ(running.errorOf(makeRequest(kINPUT, tooLarge)),
        "[ERR_LORA_INVALID] row 0 of loraConfig.config: rank of mlp_h_to_4h must be in [1, 8], got 9");
    EXPECT_EQ(running.errorOf(makeRequest(kINPUT, texec::LoraConfig(8))),
        "[ERR_LORA_NOT_FOUND] LoRA task 8 is not in the cache, and the request brings no weights");
    EXPECT_EQ(run(*running), before);
}

} // namespace
} // namespace embedded
