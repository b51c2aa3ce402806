/// Thousands of random schedules against a simple oracle: a request gives what it gives alone, whatever happens around
/// it, ends exactly once, and leaves nothing behind.
#include "testing/steppedEngine.h"
#include "testing/testAdapter.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <random>

namespace embedded {
namespace {

using testing::SteppedEngine;
using testing::TestConfig;
using texec::FinishReason;

constexpr int kINPUTS = 6;
constexpr SizeType32 kMAX_NEW_TOKENS = 40;
constexpr SizeType32 kADAPTERS = 3;

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

/// Adapters 1 … kADAPTERS; a request with one always brings the weights, as the cache may have dropped it.
texec::LoraConfig const& adapter(SizeType32 number) {
    static auto const all = [] {
        testing::TestModel const model{testing::readCheckpoint(testing::model() / "encoder"),
            testing::readCheckpoint(testing::model() / "decoder")};
        std::vector<texec::LoraConfig> configs;
        for (SizeType32 i = 1; i <= kADAPTERS; ++i) {
            testing::TestAdapter const random(model, testing::allModules(model, 2 * i), static_cast<unsigned>(i));
            configs.push_back(random.config(static_cast<texec::IdType>(i)));
        }
        return configs;
    }();
    return all.at(static_cast<std::size_t>(number) - 1);
}

/// A request as far as its tokens depend on it.
struct Asked {
    int input;
    SizeType32 adapter;    ///< 0: none
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
    if (asked.adapter > 0) {
        request.setLoraConfig(adapter(asked.adapter));
    }
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
            maybeReleaseAdapter();
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
        Asked asked{mRandom.between(0, kINPUTS - 1), mRandom.oneIn(2) ? mRandom.between(1, kADAPTERS) : 0, 1, 1,
            mRandom.between(1, kMAX_NEW_TOKENS)};
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

    /// Requests that are under way keep their adapter.
    void maybeReleaseAdapter() {
        if (mRandom.oneIn(15)) {
            mEngine.engine().adapterCache().release(static_cast<texec::IdType>(mRandom.between(1, kADAPTERS)));
        }
    }

    void receive(std::vector<texec::Response> const& responses) {
        for (auto const& response : responses) {
            auto const open = mOpen.find(response.getRequestId());
            ASSERT_NE(open, mOpen.end()) << "a response after the last one";
            if (response.hasError()) { // others use all of the cache's adapters
                ASSERT_GT(open->second.asked.adapter, 0) << response.getErrorMsg();
                ASSERT_TRUE(response.getErrorMsg().starts_with("[ERR_LORA_CACHE_FULL]")) << response.getErrorMsg();
                mOpen.erase(open);
                continue;
            }
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
    // The largest adapter alone, two or all of them.
    auto const bytes = adapter(kADAPTERS).getWeights()->getSizeInBytes();
    config.peftCache = texec::PeftCacheConfig(
        0, 0, 1, 64, 1, 1, 1, 24, 8, std::nullopt, bytes * static_cast<std::size_t>(random.between(1, kADAPTERS)));
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
