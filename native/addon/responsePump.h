/// Brings the responses of one Executor to one JavaScript function.
///
/// A thread of its own waits in Executor::awaitResponses(), packs all that is ready into the inbox and wakes
/// JavaScript, which takes everything. While the inbox is full, responses gather in the runtime; later they come as one
/// batch, in which the tokens of a stream are merged. So a busy main thread gets fewer and larger chunks. While no
/// request is in flight the thread is parked, and the event loop may end.
///
/// Rules; each was somebody's crash or hang:
/// 1. start(), enqueue(), deliver() and finish() run on the JavaScript thread; the others on any.
/// 2. The thread-safe function keeps the pump alive until Node has finalised it: calls may still be queued when the
///    engine has gone.
/// 3. The thread is joined before the thread-safe function is released, and Node frees that one in a cleanup hook of
///    its own. So the hook that calls stop() must be registered after start(): hooks run last in, first out.
/// 4. An id comes into mInFlight under the same lock as the enqueueing that made it, and leaves it together with
///    its last response going into the inbox. So no response is seen before its id is, and "nothing in flight"
///    with an empty inbox means that JavaScript has everything.
/// 5. The Executor outlives the thread: stop() comes before shutdown(), after which awaitResponses() only throws.
/// 6. JavaScript is never called with the lock held: it may enqueue.
#pragma once

#include "napiSetup.h"
#include "request.h"
#include "requestRegistry.h"
#include "response.h"
#include "runtimeExtension.h"

#include <tensorrt_llm/executor/executor.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

namespace trtllm_node {

class ResponsePump {
public:
    using Clock = std::chrono::steady_clock;
    using IdType = tensorrt_llm::executor::IdType;
    /// What became of a request: its id or an error message.
    using Enqueued = std::variant<IdType, std::string>;

    /// `onResponses(batch)` must not throw.
    [[nodiscard]] static std::shared_ptr<ResponsePump> start(Napi::Env env, RuntimeExecutor& runtime,
        std::shared_ptr<RequestRegistry> registry, Napi::Function const& onResponses);

    /// All in one call; if that throws, one by one, so that each gets its own error. In order.
    [[nodiscard]] std::vector<Enqueued> enqueue(Napi::Env env, std::vector<IncomingRequest> incoming);
    /// Ids that are not in flight are ignored (the real runtime would remember them for ever).
    void cancel(IdType id);
    void cancelAll();
    /// Waits for the end of all requests, until `drainUntil` at most, then joins the thread. What is still in flight
    /// gets an error response. REQUIRES: no enqueue() any more. A second call does nothing.
    void stop(Clock::time_point drainUntil);
    /// The last call: hands over what is left and lets the thread-safe function go. REQUIRES: stop().
    void finish(Napi::Env env);
    /// The same for an environment that is being torn down. A second call does nothing.
    void release();

private:
    using KeptAlive = std::shared_ptr<ResponsePump>;
    static void onWake(Napi::Env env, Napi::Function, ResponsePump* pump, void*);
    using WakeFunction = Napi::TypedThreadSafeFunction<ResponsePump, void, onWake>;

    using Response = tensorrt_llm::executor::Response;

    struct InFlight {
        std::optional<IdType> clientId; ///< of those that the registry knows
        bool bringsNewTokens;           ///< a response has only what came since the one before
    };

    ResponsePump(
        RuntimeExecutor& runtime, std::shared_ptr<RequestRegistry> registry, Napi::Function const& onResponses);

    void run();
    [[nodiscard]] bool waitForWork();
    void pumpOnce();
    /// Waits until the inbox is empty, unless the pump is about to stop; changes it by `fill` and wakes JavaScript.
    template <typename Fill> void publish(Fill fill);
    [[nodiscard]] std::vector<ResponseExtract> extractAll(std::vector<Response> const& responses) const;
    void take(std::vector<Response> const& responses, std::vector<ResponseExtract> extracts);
    /// The request that a response belongs to, which may come from one of its children.
    [[nodiscard]] IdType parentOf(Response const& response) const;
    /// Nothing of this request follows.
    void end(IdType id);
    void failAll(std::string const& message);
    void track(Enqueued const& outcome, InFlight const& request);
    [[nodiscard]] std::vector<Enqueued> enqueueAll(std::vector<tensorrt_llm::executor::Request> const& requests);
    [[nodiscard]] std::vector<Enqueued> enqueueOneByOne(std::vector<tensorrt_llm::executor::Request> const& requests);
    void deliver(Napi::Env env);

    tensorrt_llm::executor::Executor& mExecutor;
    std::size_t mVocabSize;
    std::shared_ptr<RequestRegistry> mRegistry;
    Napi::FunctionReference mOnResponses;
    WakeFunction mWake;
    bool mReleased = false; ///< JavaScript thread only, like the two above

    std::mutex mMutex;
    std::condition_variable mChanged;
    /// Under mMutex, as all below.
    std::unordered_map<IdType, InFlight> mInFlight;
    std::unordered_map<IdType, IdType> mIdOfClient; ///< the other way round
    PackedResponses mInbox;
    bool mDraining = false; ///< nobody may be left to empty the inbox
    bool mStopping = false;

    std::thread mThread;
};

} // namespace trtllm_node
