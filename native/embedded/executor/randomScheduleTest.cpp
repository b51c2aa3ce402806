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

/// Each input always generates the same tokens: those of the longest request for it, cut off.
using Oracle = std::map<texec::VecTokens, texec::VecTokens>;

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
        auto const id = mResponses.openIds(1);
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

/// What the test knows of a request that it sent.
struct Sent {
    texec::VecTokens input;
    SizeType32 maxTokens;
    bool streaming;
    bool cancelled = false;
    bool overdue;
    texec::VecTokens received;
};

class RandomSchedule {
public:
    RandomSchedule(SteppedEngine& engine, Oracle const& oracle, unsigned seed)
        : mEngine(engine)
        , mOracle(oracle)
        , mRandom(seed) {}

    void run() {
        int toSend = mRandom.between(1, 14);
        // Alone one after the other they would take this many steps, and one more each.
        int stepsLeft = toSend * (kMAX_NEW_TOKENS + 2);
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

    [[nodiscard]] int numSent() const { return mNumSent; }

private:
    void send() {
        auto input = mOracle.begin();
        std::advance(input, mRandom.between(0, kINPUTS - 1));
        Sent sent{input->first, mRandom.between(1, kMAX_NEW_TOKENS), mRandom.oneIn(2), false, mRandom.oneIn(12), {}};
        auto request = testing::makeRequest(sent.input, sent.maxTokens, sent.streaming);
        request.setPriority(static_cast<float>(mRandom.between(0, 3)));
        if (sent.overdue) {
            request.setAllottedTimeMs(std::chrono::milliseconds(0));
        }
        mOpen.emplace(mEngine.submit(request), std::move(sent));
        ++mNumSent;
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
            open->second.received.insert(open->second.received.end(), tokens.begin(), tokens.end());
            if (result.isFinal) {
                ASSERT_NO_FATAL_FAILURE(expectEnd(open->second, result.finishReasons.at(0)));
                mOpen.erase(open);
            }
        }
    }

    void expectEnd(Sent const& sent, FinishReason reason) {
        auto const& whole = mOracle.at(sent.input);
        ASSERT_TRUE(std::equal(sent.received.begin(), sent.received.end(), whole.begin())) << "not the tokens of alone";
        if (reason == FinishReason::kLENGTH) {
            ASSERT_EQ(static_cast<SizeType32>(sent.received.size()), sent.maxTokens);
        } else if (reason == FinishReason::kCANCELLED) {
            ASSERT_TRUE(sent.cancelled);
        } else {
            ASSERT_EQ(reason, FinishReason::kTIMED_OUT);
            ASSERT_TRUE(sent.overdue);
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
    Oracle const& mOracle;
    Random mRandom;
    std::map<texec::IdType, Sent> mOpen;
    int mNumSent = 0;
};

Oracle makeOracle() {
    SteppedEngine engine({});
    Oracle oracle;
    for (int i = 0; i < kINPUTS; ++i) {
        texec::VecTokens input(static_cast<std::size_t>(1 + 11 * i), 5 + i); // 1 … 56 tokens
        (void)engine.submit(testing::makeRequest(input, kMAX_NEW_TOKENS));
        std::vector<texec::Response> responses;
        while (responses.empty()) {
            responses = engine.step();
        }
        oracle[input] = responses.at(0).getResult().outputTokenIds.at(0);
    }
    return oracle;
}

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
    config.maxBatchSize = random.between(1, 6);
    config.maxNumTokens = random.between(56, 200);
    config.maxCacheTokens = random.between(64, 256);
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
    auto const oracle = makeOracle();
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
