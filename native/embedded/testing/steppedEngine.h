/// An engine without a thread.
#pragma once

#include "executor/engine.h"
#include "testing/testExecutor.h"

#include <optional>
#include <utility>
#include <vector>

namespace embedded::testing {

/// An engine that is stepped by the test instead of by a thread.
class SteppedEngine {
public:
    explicit SteppedEngine(TestConfig const& test)
        : mEncoder(model() / "encoder", Component::kENCODER, options(test))
        , mDecoder(model() / "decoder", Component::kDECODER, options(test))
        , mQueue(std::nullopt)
        , mEngine(&mEncoder, mDecoder, executorConfig(test), mQueue, mResponses) {}

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

} // namespace embedded::testing
