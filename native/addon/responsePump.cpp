#include "responsePump.h"

#include "errors.h"

#include <exception>
#include <utility>

namespace tle = tensorrt_llm::executor;

namespace trtllm_node {
namespace {

/// How long a stop may go unnoticed.
constexpr std::chrono::milliseconds kAWAIT_TIMEOUT{50};

} // namespace

std::shared_ptr<ResponsePump> ResponsePump::start(
    Napi::Env env, tle::Executor& executor, Napi::Function const& onResponses) {
    std::shared_ptr<ResponsePump> pump(new ResponsePump(executor, onResponses));
    pump->mWake = WakeFunction::New(
        env, "trtllm-node responses", 0, 1, pump.get(), [keptAlive = pump](Napi::Env, void*, ResponsePump*) {});
    pump->mWake.Unref(env);
    try {
        pump->mThread = std::thread(&ResponsePump::run, pump.get());
    } catch (...) {
        pump->release();
        throw;
    }
    return pump;
}

ResponsePump::ResponsePump(tle::Executor& executor, Napi::Function const& onResponses)
    : mExecutor(executor)
    , mOnResponses(Napi::Persistent(onResponses)) {}

std::vector<ResponsePump::Enqueued> ResponsePump::enqueue(Napi::Env env, std::vector<Request> const& requests) {
    std::lock_guard const lock(mMutex);
    std::vector<Enqueued> enqueued;
    try {
        auto const ids = mExecutor.enqueueRequests(requests);
        enqueued.assign(ids.begin(), ids.end());
    } catch (std::exception const&) {
        enqueued = enqueueOneByOne(requests);
    }
    for (Enqueued const& outcome : enqueued) {
        if (auto const* id = std::get_if<IdType>(&outcome)) {
            mInFlight.insert(*id);
        }
    }
    if (!mInFlight.empty()) {
        mWake.Ref(env);
    }
    mChanged.notify_all();
    return enqueued;
}

std::vector<ResponsePump::Enqueued> ResponsePump::enqueueOneByOne(std::vector<Request> const& requests) {
    std::vector<Enqueued> enqueued;
    for (Request const& request : requests) {
        try {
            enqueued.emplace_back(mExecutor.enqueueRequest(request));
        } catch (std::exception const& error) {
            enqueued.emplace_back(toErrorMessage(error.what()));
        }
    }
    return enqueued;
}

void ResponsePump::cancel(IdType id) {
    std::lock_guard const lock(mMutex);
    if (mInFlight.contains(id)) {
        mExecutor.cancelRequest(id);
    }
}

void ResponsePump::cancelAll() {
    std::lock_guard const lock(mMutex);
    for (IdType const id : mInFlight) {
        try {
            mExecutor.cancelRequest(id);
        } catch (std::exception const&) {
            return; // the executor has ended by itself
        }
    }
}

void ResponsePump::stop(Clock::time_point drainUntil) {
    {
        std::unique_lock lock(mMutex);
        mChanged.wait_until(lock, drainUntil, [this] { return mInFlight.empty(); });
        mStopping = true;
    }
    mChanged.notify_all();
    if (mThread.joinable()) {
        mThread.join();
    }
    std::lock_guard const lock(mMutex);
    failAll("[ERR_CLOSED] the engine was closed before the request had ended");
}

void ResponsePump::finish(Napi::Env env) {
    release();
    deliver(env);
}

void ResponsePump::release() {
    if (!std::exchange(mReleased, true)) {
        mWake.Release();
    }
}

void ResponsePump::run() {
    while (waitForWork()) {
        pumpOnce();
    }
}

bool ResponsePump::waitForWork() {
    std::unique_lock lock(mMutex);
    mChanged.wait(lock, [this] { return mStopping || !mInFlight.empty(); });
    return !mStopping;
}

void ResponsePump::pumpOnce() {
    try {
        auto const responses = mExecutor.awaitResponses(kAWAIT_TIMEOUT);
        publish([&] { take(responses); });
    } catch (std::exception const& error) {
        // Nothing can come any more: the executor has ended by itself.
        publish([&] { failAll(toErrorMessage(error.what())); });
    }
}

template <typename Fill> void ResponsePump::publish(Fill fill) {
    bool wakes = false;
    {
        std::lock_guard const lock(mMutex);
        wakes = mInbox.empty();
        fill();
        wakes = wakes && !mInbox.empty();
    }
    mChanged.notify_all();
    if (wakes) {
        mWake.NonBlockingCall();
    }
}

void ResponsePump::take(std::vector<tle::Response> const& responses) {
    for (tle::Response const& response : responses) {
        mInbox.append(response);
        if (isLast(response)) {
            mInFlight.erase(response.getRequestId());
        }
    }
}

void ResponsePump::failAll(std::string const& message) {
    for (IdType const id : mInFlight) {
        mInbox.appendError(id, message);
    }
    mInFlight.clear();
}

void ResponsePump::onWake(Napi::Env env, Napi::Function, ResponsePump* pump, void*) {
    // Without an environment Node only empties the queue.
    if (env != nullptr) {
        pump->deliver(env);
    }
}

void ResponsePump::deliver(Napi::Env env) {
    PackedResponses batch;
    {
        std::lock_guard const lock(mMutex);
        batch = std::exchange(mInbox, {});
        if (mInFlight.empty() && !mReleased) {
            mWake.Unref(env);
        }
    }
    if (!batch.empty()) {
        mOnResponses.Call({batch.toJs(env)});
    }
}

} // namespace trtllm_node
