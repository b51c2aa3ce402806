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

std::shared_ptr<ResponsePump> ResponsePump::start(Napi::Env env, RuntimeExecutor& runtime,
    std::shared_ptr<RequestRegistry> registry, Napi::Function const& onResponses) {
    std::shared_ptr<ResponsePump> pump(new ResponsePump(runtime, std::move(registry), onResponses));
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

ResponsePump::ResponsePump(
    RuntimeExecutor& runtime, std::shared_ptr<RequestRegistry> registry, Napi::Function const& onResponses)
    : mExecutor(runtime.executor())
    , mVocabSize(static_cast<std::size_t>(runtime.limits().decoderVocabSize))
    , mRegistry(std::move(registry))
    , mOnResponses(Napi::Persistent(onResponses)) {}

std::vector<ResponsePump::Enqueued> ResponsePump::enqueue(Napi::Env env, std::vector<IncomingRequest> incoming) {
    std::vector<tle::Request> requests;
    std::vector<InFlight> tracked;
    for (auto& [request, extras] : incoming) {
        bool const bringsNewTokens = request.getStreaming() && !request.getReturnAllGeneratedTokens();
        auto& clientId = tracked.emplace_back(std::nullopt, bringsNewTokens).clientId;
        if (extras) {
            clientId = mRegistry->add(std::move(extras));
            request.setClientId(*clientId);
        }
        requests.push_back(std::move(request));
    }
    std::lock_guard const lock(mMutex);
    auto enqueued = enqueueAll(requests);
    for (std::size_t i = 0; i < enqueued.size(); ++i) {
        track(enqueued[i], tracked[i]);
    }
    if (!mInFlight.empty()) {
        mWake.Ref(env);
    }
    mChanged.notify_all();
    return enqueued;
}

std::vector<ResponsePump::Enqueued> ResponsePump::enqueueAll(std::vector<tle::Request> const& requests) {
    try {
        auto const ids = mExecutor.enqueueRequests(requests);
        return {ids.begin(), ids.end()};
    } catch (std::exception const&) {
        return enqueueOneByOne(requests);
    }
}

std::vector<ResponsePump::Enqueued> ResponsePump::enqueueOneByOne(std::vector<tle::Request> const& requests) {
    std::vector<Enqueued> enqueued;
    for (tle::Request const& request : requests) {
        try {
            enqueued.emplace_back(mExecutor.enqueueRequest(request));
        } catch (std::exception const& error) {
            enqueued.emplace_back(toErrorMessage(error.what()));
        }
    }
    return enqueued;
}

void ResponsePump::track(Enqueued const& outcome, InFlight const& request) {
    auto const* const id = std::get_if<IdType>(&outcome);
    if (id == nullptr) {
        mRegistry->remove(request.clientId);
        return;
    }
    mInFlight.emplace(*id, request);
    if (request.clientId) {
        mIdOfClient.emplace(*request.clientId, *id);
    }
}

void ResponsePump::cancel(IdType id) {
    std::lock_guard const lock(mMutex);
    if (mInFlight.contains(id)) {
        mExecutor.cancelRequest(id);
    }
}

void ResponsePump::cancelAll() {
    std::lock_guard const lock(mMutex);
    for (auto const& [id, request] : mInFlight) {
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
        mDraining = true;
        mChanged.notify_all();
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
        auto extracts = extractAll(responses);
        publish([&] { take(responses, std::move(extracts)); });
    } catch (std::exception const& error) {
        // Nothing can come any more: the executor has ended by itself.
        publish([&] { failAll(toErrorMessage(error.what())); });
    }
}

template <typename Fill> void ResponsePump::publish(Fill fill) {
    bool wakes = false;
    {
        std::unique_lock lock(mMutex);
        mChanged.wait(lock, [this] { return mInbox.empty() || mDraining; });
        wakes = mInbox.empty();
        fill();
        wakes = wakes && !mInbox.empty();
    }
    mChanged.notify_all();
    if (wakes) {
        mWake.NonBlockingCall();
    }
}

std::vector<ResponseExtract> ResponsePump::extractAll(std::vector<Response> const& responses) const {
    std::vector<ResponseExtract> extracts;
    extracts.reserve(responses.size());
    for (Response const& response : responses) {
        auto const extras = mRegistry->find(response.getClientId());
        extracts.push_back(extract(response, extras.get(), mVocabSize));
        if (extras) {
            auto failure = mRegistry->failure(response.getClientId());
            extracts.back().failure = failure.empty() ? std::move(extracts.back().failure) : std::move(failure);
        }
    }
    return extracts;
}

void ResponsePump::take(std::vector<Response> const& responses, std::vector<ResponseExtract> extracts) {
    for (std::size_t i = 0; i < responses.size(); ++i) {
        Response const& response = responses[i];
        IdType const id = parentOf(response);
        auto const found = mInFlight.find(id);
        bool const bringsNewTokens = found != mInFlight.end() && found->second.bringsNewTokens;
        mInbox.append(id, response, std::move(extracts[i]), bringsNewTokens);
        if (!isLast(response)) {
            continue;
        }
        if (id != response.getRequestId()) {
            mExecutor.cancelRequest(id); // a child failed: its siblings are of no use
        }
        end(id);
    }
}

ResponsePump::IdType ResponsePump::parentOf(Response const& response) const {
    auto const clientId = response.getClientId();
    auto const found = clientId ? mIdOfClient.find(*clientId) : mIdOfClient.end();
    return found == mIdOfClient.end() ? response.getRequestId() : found->second;
}

void ResponsePump::end(IdType id) {
    auto const found = mInFlight.find(id);
    if (found == mInFlight.end()) {
        return;
    }
    if (auto const clientId = found->second.clientId) {
        mRegistry->remove(clientId);
        mIdOfClient.erase(*clientId);
    }
    mInFlight.erase(found);
}

void ResponsePump::failAll(std::string const& message) {
    while (!mInFlight.empty()) {
        IdType const id = mInFlight.begin()->first;
        mInbox.appendError(id, message);
        end(id);
    }
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
    mChanged.notify_all();
    if (!batch.empty()) {
        mOnResponses.Call({batch.toJs(env)});
    }
}

} // namespace trtllm_node
