/// Thousands of random schedules against a simple oracle: a request gives what it gives alone, whatever happens around
/// it, ends exactly once, and leaves nothing behind.
#include "executor/engine.h"
#include "testing/testData.h"
#include "testing/testExecutor.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <utility>

namespace embedded {
namespace {

using testing::executorConfig;
using testing::TestConfig;
using texec::FinishReason;

constexpr int kINPUTS = 6;
constexpr SizeType32 kMAX_NEW_TOKENS = 40;

class Random {
public:
    explicit Random(unsigned seed)
        : mEngine(seed) {}
    SizeType32 between(SizeType32 low, SizeType32 high) {
        return low + static_cast<SizeType32>(mEngine() % static_cast<unsigned>(high - low + 1));
    }
    bool oneIn(SizeType32 n) { return between(1, n) == 1; }

private:
    std::mt19937 mEngine;
};

/// An engine that is stepped by the test instead of by a thread.
class SteppedEngine {
public:
    explicit SteppedEngine(TestConfig const& test)
        : mEncoder(testing::model() / "encoder", Component::kENCODER, testing::options(test))
        , mDecoder(testing::model() / "decoder", Component::kDECODER, testing::options(test))
        , mQueue(std::nullopt)
        , mEngine(mEncoder, mDecoder, executorConfig(test), mQueue, mResponses) {}

    texec::IdType submit(texec::Request const& request) {
        auto const id = mResponses.openId(1);
        mQueue.push({{id, request, std::chrono::steady_clock::now()}});
        return id;
    }
    void cancel(texec::IdType id) {
        mQueue.cancel(id);
        mCancelled = true;
    }
    /// Does nothing where the engine would wait for a request: one that got lost is then missed, not waited for.
    std::vector<texec::Response> step() {
        bool const hasWork = std::exchange(mCancelled, false) || mQueue.size() > 0;
        if (hasWork || mEngine.snapshot().numActiveRequests > 0) {
            (void)mEngine.step();
        }
        return mResponses.awaitAny(std::chrono::milliseconds(0));
    }
    Engine& engine() { return mEngine; }

private:
    texec::Model mEncoder;
    texec::Model mDecoder;
    RequestQueue mQueue;
    ResponseQueue mResponses;
    Engine mEngine;
    bool mCancelled = false;
};

/// A request as far as its tokens depend on it.
struct Asked {
    int input;
    SizeType32 beamWidth;  ///< 1: no beams
    SizeType32 numSamples; ///< without beams; more than 1 are drawn at random
    SizeType32 maxTokens;
    auto operator<=>(Asked const&) const = default;
};

texec::Request requestFor(Asked const& asked, bool streaming) {
    texec::VecTokens const input(static_cast<std::size_t>(1 + 11 * asked.input), 5 + asked.input); // 1 … 56 tokens
    auto request = testing::makeRequest(input, asked.maxTokens, streaming);
    texec::SamplingConfig sampling(asked.beamWidth);
    if (asked.beamWidth > 1) {
        request.setEndId(testing::kEND_ID);
    } else {
        sampling.setNumReturnSequences(asked.numSamples);
        sampling.setTopK(asked.numSamples > 1 ? 20 : 1);
    }
    request.setSamplingConfig(sampling);
    return request;
}

/// What a request gives alone: the sequences of its samples or beams.
class Oracle {
public:
    texec::BeamTokens const& sequences(Asked const& asked) {
        auto const [entry, isNew] = mKnown.try_emplace(asked);
        if (isNew) {
            auto& sequences = entry->second;
            sequences.resize(static_cast<std::size_t>(asked.numSamples));
            (void)mEngine.submit(requestFor(asked, false));
            for (bool open = true; open;) {
                for (auto const& response : mEngine.step()) {
                    auto const& result = response.getResult();
                    sequences.at(static_cast<std::size_t>(result.sequenceIndex)) = result.outputTokenIds.at(0);
                    open = !result.isFinal;
                }
            }
        }
        return entry->second;
    }

private:
    SteppedEngine mEngine{TestConfig{.maxBeamWidth = 4}};
    std::map<Asked, texec::BeamTokens> mKnown;
};

/// What the test knows of a request that it sent.
struct Sent {
    Asked asked;
    bool streaming;
    bool overdue;
    bool cancelled = false;
    texec::BeamTokens received = texec::BeamTokens(static_cast<std::size_t>(asked.numSamples));
};

class RandomSchedule {
public:
    RandomSchedule(SteppedEngine& engine, Oracle& oracle, unsigned seed)
        : mEngine(engine)
        , mOracle(oracle)
        , mRandom(seed) {}

    void run() {
        int toSend = mRandom.between(1, 14);
        // One sample after the other they would take this many steps, and one more each.
        int stepsLeft = 6 * toSend * (kMAX_NEW_TOKENS + 2);
        while (toSend > 0 || !mOpen.empty()) {
            for (int burst = mRandom.between(0, 3); burst > 0 && toSend > 0; --burst, --toSend) {
                send();
            }
            maybeCancel();
            if (!mOpen.empty()) {
                ASSERT_GE(--stepsLeft, 0) << "starved: " << mOpen.size() << " requests left";
                ASSERT_NO_FATAL_FAILURE(receive(mEngine.step()));
            }
        }
        ASSERT_NO_FATAL_FAILURE(expectNothingLeft());
    }

    /// Sequences.
    [[nodiscard]] int numSent() const { return mNumSent; }

private:
    void send() {
        Asked asked{mRandom.between(0, kINPUTS - 1), 1, 1, mRandom.between(1, kMAX_NEW_TOKENS)};
        if (mRandom.oneIn(3)) {
            asked.beamWidth = mRandom.between(2, 4);
            asked.maxTokens = mRandom.between(1, 20);
        } else if (mRandom.oneIn(3)) {
            asked.numSamples = mRandom.between(1, mEngine.engine().limits().maxBatchSize);
        }
        Sent sent{asked, mRandom.oneIn(2), mRandom.oneIn(12)};
        auto request = requestFor(asked, sent.streaming);
        request.setPriority(static_cast<float>(mRandom.between(0, 3)));
        if (sent.overdue) {
            request.setAllottedTimeMs(std::chrono::milliseconds(0));
        }
        mOpen.emplace(mEngine.submit(request), std::move(sent));
        mNumSent += asked.numSamples;
    }

    void maybeCancel() {
        if (!mOpen.empty() && mRandom.oneIn(10)) {
            auto victim = mOpen.begin();
            std::advance(victim, mRandom.between(0, static_cast<SizeType32>(mOpen.size()) - 1));
            victim->second.cancelled = true;
            mEngine.cancel(victim->first);
        }
    }

    void receive(std::vector<texec::Response> const& responses) {
        for (auto const& response : responses) {
            ASSERT_FALSE(response.hasError()) << response.getErrorMsg();
            auto const open = mOpen.find(response.getRequestId());
            ASSERT_NE(open, mOpen.end()) << "a response after the last one";
            auto const& result = response.getResult();
            auto const& tokens = result.outputTokenIds.at(0);
            auto& received = open->second.received.at(static_cast<std::size_t>(result.sequenceIndex));
            if (open->second.asked.beamWidth > 1) {
                received.clear(); // each response has all tokens so far
            }
            received.insert(received.end(), tokens.begin(), tokens.end());
            if (result.isSequenceFinal) {
                ASSERT_NO_FATAL_FAILURE(expectEnd(open->second, result));
            }
            if (result.isFinal) {
                mOpen.erase(open);
            }
        }
    }

    void expectEnd(Sent const& sent, texec::Result const& result) {
        auto const reason = result.finishReasons.at(0);
        auto const index = static_cast<std::size_t>(result.sequenceIndex);
        auto const& received = sent.received.at(index);
        auto const& whole = mOracle.sequences(sent.asked).at(index);
        if (reason == FinishReason::kCANCELLED) {
            ASSERT_TRUE(sent.cancelled);
        } else if (reason == FinishReason::kTIMED_OUT) {
            ASSERT_TRUE(sent.overdue);
        } else {
            ASSERT_EQ(received, whole) << "not the tokens of alone";
        }
        if (sent.asked.beamWidth == 1) {
            ASSERT_LE(received.size(), whole.size());
            ASSERT_TRUE(std::equal(received.begin(), received.end(), whole.begin())) << "not the tokens of alone";
        }
    }

    void expectNothingLeft() {
        auto const state = mEngine.engine().snapshot();
        ASSERT_EQ(state.numActiveRequests, 0);
        ASSERT_EQ(state.usedSelfBlocks, 0);
        ASSERT_EQ(state.usedCrossBlocks, 0);
        ASSERT_EQ(mEngine.engine().runner().crossPool().numUsed(), state.retainedCrossBlocks);
    }

    SteppedEngine& mEngine;
    Oracle& mOracle;
    Random mRandom;
    std::map<texec::IdType, Sent> mOpen;
    int mNumSent = 0;
};

/// New and ended requests, and the blocks of both pools, over all iterations.
void expectStatisticsAddUp(SteppedEngine& engine, int numSent) {
    SizeType32 started = 0;
    SizeType32 completed = 0;
    for (auto const& iteration : engine.engine().recorder().iterations().take()) {
        started += iteration.numNewActiveRequests;
        completed += iteration.numCompletedRequests;
        for (auto const* const cache : {&*iteration.kvCacheStats, &*iteration.crossKvCacheStats}) {
            ASSERT_EQ(cache->usedNumBlocks + cache->freeNumBlocks, cache->maxNumBlocks);
        }
    }
    EXPECT_EQ(started, completed);
    EXPECT_LE(started, numSent) << "those cancelled in the queue were never active";
}

TestConfig randomConfig(Random& random) {
    TestConfig config;
    config.maxBeamWidth = 4;
    config.maxBatchSize = random.between(1, 6);
    config.maxNumTokens = random.between(56, 200);
    config.maxCacheTokens = random.between(128, 300); // four beams of one block, or two of 16
    config.tokensPerBlock = random.oneIn(2) ? 16 : 32;
    config.encoderTokenBudget = random.between(1, 128);
    config.reuseEncoder = !random.oneIn(3);
    config.policy = random.oneIn(4) ? texec::CapacitySchedulerPolicy::kSTATIC_BATCH
                                    : texec::CapacitySchedulerPolicy::kGUARANTEED_NO_EVICT;
    config.iterationStats = 1 << 20;
    return config;
}

TEST(RandomSchedules, EveryRequestEndsOnceWithItsOwnTokensAndLeavesNothing) {
    constexpr unsigned kCONFIGS = 25;
    constexpr unsigned kSCHEDULES = 80;
    Oracle oracle;
    for (unsigned c = 0; c < kCONFIGS; ++c) {
        Random random(c);
        SteppedEngine engine(randomConfig(random));
        int numSent = 0;
        for (unsigned s = 0; s < kSCHEDULES; ++s) {
            SCOPED_TRACE("configuration " + std::to_string(c) + ", schedule " + std::to_string(s));
            RandomSchedule schedule(engine, oracle, c * kSCHEDULES + s);
            ASSERT_NO_FATAL_FAILURE(schedule.run());
            numSent += schedule.numSent();
        }
        ASSERT_NO_FATAL_FAILURE(expectStatisticsAddUp(engine, numSent));
    }
}

} // namespace
} // namespace embedded
