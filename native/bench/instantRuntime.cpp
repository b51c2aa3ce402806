/// A runtime for benchmarks alone: an Executor that emits tokens without computing anything, behind the addon's
/// extension. What it costs to carry tokens is all that is left.
///
/// A token's value is the time of its emission (stampOf() in instantStamp.h). The first input token of a request is the
/// pause between two iterations, in microseconds; 0: none.
#include "instantStamp.h"

#include "executor/requestQueue.h"
#include "executor/responseQueue.h"
#include "runtimeExtension.h"

#include <algorithm>
#include <limits>
#include <thread>
#include <utility>

namespace tensorrt_llm::executor {
namespace {

using Clock = std::chrono::steady_clock;

constexpr SizeType32 kMAX_BATCH_SIZE = 4096;

struct ActiveStream {
    IdType id;
    bool streaming;
    SizeType32 numLeft;
    VecTokens unsent;
    FinishReason reason = FinishReason::kNOT_FINISHED;
};

} // namespace

class Executor::Impl {
public:
    Impl()
        : mThread([this] { run(); }) {}
    ~Impl() { shutdown(); }
    Impl(Impl const&) = delete;
    Impl& operator=(Impl const&) = delete;

    std::vector<IdType> enqueue(std::vector<Request> const& requests) {
        std::vector<IdType> ids;
        std::vector<embedded::QueuedRequest> queued;
        for (auto const& request : requests) {
            ids.push_back(mResponses.openId(1));
            queued.push_back({ids.back(), request, Clock::now()});
        }
        mRequests.push(std::move(queued));
        return ids;
    }

    void cancel(IdType id) { mRequests.cancel(id); }
    embedded::ResponseQueue& responses() { return mResponses; }

    void shutdown() {
        mRequests.close();
        if (mThread.joinable()) {
            mThread.join();
        }
    }

private:
    void run() {
        while (fetch()) {
            std::this_thread::sleep_until(mNextIteration);
            mNextIteration = Clock::now() + mPause;
            emit();
        }
        mResponses.close();
    }

    /// @returns whether more iterations follow
    bool fetch() {
        auto const numFree = kMAX_BATCH_SIZE - static_cast<SizeType32>(mActive.size());
        auto const fetched = mRequests.fetch(numFree, mActive.empty());
        for (auto const& [id, request, arrival, numSequences] : fetched.requests) {
            mPause = std::chrono::microseconds(request.getEncoderInputTokenIds()->front());
            mActive.push_back({id, request.getStreaming(), request.getMaxTokens(), {}});
        }
        for (auto& stream : mActive) {
            if (std::ranges::count(fetched.cancelledActive, stream.id) > 0) {
                stream.reason = FinishReason::kCANCELLED;
            }
        }
        return !(fetched.closed && mActive.empty());
    }

    /// One token for each stream, all responses in one batch.
    void emit() {
        std::vector<Response> outbox;
        auto const stamp = stampOf(Clock::now());
        for (auto& stream : mActive) {
            stream.unsent.push_back(stamp);
            if (--stream.numLeft == 0) {
                stream.reason = FinishReason::kLENGTH;
            }
            if (stream.streaming || stream.reason != FinishReason::kNOT_FINISHED) {
                outbox.push_back(responseOf(stream));
            }
        }
        std::erase_if(mActive, [](auto const& stream) { return stream.reason != FinishReason::kNOT_FINISHED; });
        if (!outbox.empty()) {
            mResponses.publish(std::move(outbox));
        }
    }

    static Response responseOf(ActiveStream& stream) {
        Result result;
        result.isFinal = result.isSequenceFinal = stream.reason != FinishReason::kNOT_FINISHED;
        result.outputTokenIds.push_back(std::exchange(stream.unsent, {}));
        result.finishReasons = {stream.reason};
        return {stream.id, std::move(result)};
    }

    embedded::RequestQueue mRequests{std::nullopt};
    embedded::ResponseQueue mResponses;
    std::vector<ActiveStream> mActive;
    std::chrono::microseconds mPause{0};
    Clock::time_point mNextIteration;
    std::thread mThread;
};

Executor::Executor(std::shared_ptr<Model>, std::shared_ptr<Model>, ExecutorConfig const&)
    : mImpl(std::make_unique<Impl>()) {}

Executor::~Executor() = default;

IdType Executor::enqueueRequest(Request const& request) {
    return mImpl->enqueue({request}).front();
}

std::vector<IdType> Executor::enqueueRequests(std::vector<Request> const& requests) {
    return mImpl->enqueue(requests);
}

std::vector<Response> Executor::awaitResponses(std::optional<std::chrono::milliseconds> const& timeout) {
    return mImpl->responses().awaitAny(timeout);
}

bool Executor::canEnqueueRequests() const {
    return true;
}

void Executor::cancelRequest(IdType requestId) {
    mImpl->cancel(requestId);
}

void Executor::shutdown() {
    mImpl->shutdown();
}

std::deque<IterationStats> Executor::getLatestIterationStats() {
    return {};
}

std::deque<RequestStatsPerIteration> Executor::getLatestRequestStats() {
    return {};
}

} // namespace tensorrt_llm::executor

namespace trtllm_node {
namespace {

namespace texec = tensorrt_llm::executor;

class InstantExecutor : public RuntimeExecutor {
public:
    explicit InstantExecutor(texec::ExecutorConfig const& config)
        : mExecutor(nullptr, nullptr, config) {}

    [[nodiscard]] texec::Executor& executor() override { return mExecutor; }

    [[nodiscard]] RuntimeLimits limits() const override {
        constexpr auto kANY = std::numeric_limits<std::int32_t>::max();
        RuntimeLimits limits;
        limits.maxBatchSize = texec::kMAX_BATCH_SIZE;
        limits.maxNumTokens = kANY;
        limits.maxBeamWidth = 1;
        limits.maxInputLength = kANY;
        limits.maxSequenceLength = kANY;
        limits.encoderVocabSize = kANY;
        limits.decoderVocabSize = kANY;
        limits.tokensPerBlock = 1;
        limits.encoderTokenBudget = kANY;
        return limits;
    }

    [[nodiscard]] RuntimeSnapshot snapshot() override { return {}; }
    void releaseAdapter(std::uint64_t) override {}
    void pinAdapter(std::uint64_t, bool) override {}

private:
    texec::Executor mExecutor;
};

} // namespace

std::optional<std::chrono::steady_clock::time_point> encodedTime(texec::Response const&) {
    return std::nullopt;
}

std::optional<std::int32_t> stableBeamPrefix(texec::Response const&) {
    return std::nullopt;
}

char const* runtimeName() {
    return "embedded";
}

std::vector<std::string> runtimeCapabilities() {
    return {"threads", "weights", "tokensPerBlock", "encoderTokenBudget", "reuseEncoder", "mixedBeamWidths"};
}

std::unique_ptr<RuntimeExecutor> createRuntimeExecutor(
    ModelSource const&, texec::ExecutorConfig const& config, RuntimeOptions const&) {
    return std::make_unique<InstantExecutor>(config);
}

} // namespace trtllm_node
