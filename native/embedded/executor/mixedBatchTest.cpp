/// Greedy, sampled, constrained and beam requests of several widths in one batch: each gives the bits that it gives
/// alone.
#include "testing/testExecutor.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <numeric>
#include <random>

namespace embedded {
namespace {

namespace texec = tensorrt_llm::executor;
using testing::kEND_ID;
using testing::makeExecutor;
using testing::makeRequest;

constexpr SizeType32 kMAX_TOKENS = 40;

texec::Request requestOf(texec::VecTokens const& input, texec::SamplingConfig const& sampling) {
    auto request = makeRequest(input, kMAX_TOKENS, false, kEND_ID);
    request.setSamplingConfig(sampling);
    return request;
}

texec::SamplingConfig sampled(texec::RandomSeedType seed) {
    texec::SamplingConfig sampling;
    sampling.setTopK(30);
    sampling.setTopP(0.95F);
    sampling.setTemperature(1.5F);
    sampling.setSeed(seed);
    return sampling;
}

texec::SamplingConfig beams(SizeType32 width) {
    texec::SamplingConfig sampling(width);
    sampling.setLengthPenalty(0.8F);
    sampling.setEarlyStopping(0);
    return sampling;
}

/// Everything that decoding can be asked for, in one batch.
std::vector<texec::Request> allKinds() {
    std::vector<texec::Request> requests;
    for (SizeType32 const length : {1, 7, 40}) {
        texec::VecTokens const input(static_cast<std::size_t>(length), 10 + length);
        requests.push_back(requestOf(input, texec::SamplingConfig()));
        requests.push_back(requestOf(input, sampled(7)));
        requests.push_back(requestOf(input, sampled(8)));
        for (SizeType32 const width : {2, 3, 8, 64}) {
            requests.push_back(requestOf(input, beams(width)));
        }
        auto nucleus = sampled(3);
        nucleus.setTopK(std::nullopt);
        nucleus.setTopPDecay(0.9F);
        requests.push_back(requestOf(input, nucleus));
        auto samples = sampled(1);
        samples.setNumReturnSequences(3);
        requests.push_back(requestOf(input, samples));
        auto penalised = beams(4);
        penalised.setRepetitionPenalty(1.3F);
        penalised.setNoRepeatNgramSize(2);
        penalised.setMinTokens(5);
        requests.push_back(requestOf(input, penalised));
        requests.push_back(requestOf(input, texec::SamplingConfig()));
        requests.back().setBadWords({{20}, {30, 31}});
        requests.back().setStopWords({{25}});
        requests.push_back(requestOf(input, texec::SamplingConfig(2)));
        requests.back().setLogitsPostProcessor([](auto, texec::Tensor& logits, auto const&, auto const&, auto) {
            static_cast<float*>(logits.getData())[kEND_ID] += 3.0F;
        });
    }
    return requests;
}

/// Tokens and log-probabilities of every beam of every sample.
struct Outcome {
    std::map<SizeType32, texec::BeamTokens> tokens;
    std::map<SizeType32, std::vector<texec::VecLogProbs>> logProbs;
    std::map<SizeType32, texec::VecLogProbs> cumLogProbs;
    bool operator==(Outcome const&) const = default;
};

Outcome outcomeOf(texec::Executor& executor, texec::IdType id) {
    Outcome outcome;
    while (true) {
        for (auto const& response : executor.awaitResponses(id)) {
            if (response.hasError()) {
                ADD_FAILURE() << response.getErrorMsg();
                return outcome;
            }
            auto const& result = response.getResult();
            outcome.tokens[result.sequenceIndex] = result.outputTokenIds;
            outcome.logProbs[result.sequenceIndex] = *result.logProbs;
            outcome.cumLogProbs[result.sequenceIndex] = *result.cumLogProbs;
            if (result.isFinal) {
                return outcome;
            }
        }
    }
}

std::vector<Outcome> runTogether(texec::Executor& executor, std::vector<texec::Request> const& requests) {
    std::vector<Outcome> outcomes;
    for (auto const id : executor.enqueueRequests(requests)) {
        outcomes.push_back(outcomeOf(executor, id));
    }
    return outcomes;
}

class MixedBatch : public ::testing::TestWithParam<SizeType32> {};

TEST_P(MixedBatch, EachRequestGivesTheBitsThatItGivesAlone) {
    auto const requests = allKinds();
    auto const executor = makeExecutor(testing::model(), {.threads = GetParam(), .maxBeamWidth = 64});
    std::vector<Outcome> alone;
    for (auto const& request : requests) {
        alone.push_back(runTogether(*executor, {request}).front());
    }
    EXPECT_EQ(runTogether(*executor, requests), alone);

    std::vector<std::size_t> order(requests.size());
    std::iota(order.begin(), order.end(), 0U);
    std::ranges::shuffle(order, std::mt19937(1));
    std::vector<texec::Request> shuffled;
    std::vector<Outcome> expected;
    for (auto const index : order) {
        shuffled.push_back(requests[index]);
        expected.push_back(alone[index]);
    }
    EXPECT_EQ(runTogether(*executor, shuffled), expected);
}

INSTANTIATE_TEST_SUITE_P(Threads, MixedBatch, ::testing::Values(1, 2));

} // namespace
} // namespace embedded
