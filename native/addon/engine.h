/// One loaded model in JavaScript: RawEngine of lib/native.ts around one RuntimeExecutor.
///
/// Rules:
/// 1. An Engine is made, used and destroyed on its JavaScript thread. It is held by its JavaScript object, and by a
///    running close().
/// 2. shutDown() may take seconds. It runs once: off the JavaScript thread by close() or by the garbage collector's
///    finalizer, or in the cleanup hook when the environment ends first. The two cannot meet, since Node waits for
///    running work before it runs hooks.
/// 3. Once mClosing is set, the JavaScript thread no longer touches mRuntime.
/// 4. No wait is without a bound: a Worker's end must not hang on a step of the model.
#pragma once

#include "logitsPostProcessor.h"
#include "napiSetup.h"
#include "responsePump.h"
#include "runtimeExtension.h"

#include <memory>

namespace trtllm_node {

class Engine : public std::enable_shared_from_this<Engine> {
public:
    /// What JavaScript is called with; neither may throw.
    struct Listeners {
        Napi::Function onResponses;
        Napi::Function onLogits;
    };

    /// The JavaScript object: RawEngine. `hooks`: those of the runtime.
    [[nodiscard]] static Napi::Object wrap(
        Napi::Env env, std::unique_ptr<RuntimeExecutor> runtime, RequestHooks hooks, Listeners const& listeners);

    /// Ends those of this environment that are open, as its end would: a process that exits does not come so far.
    static Napi::Value endAll(Napi::CallbackInfo const& info);

    Engine(Napi::Env env, std::unique_ptr<RuntimeExecutor> runtime, RequestHooks hooks, Listeners const& listeners);
    ~Engine();
    Engine(Engine const&) = delete;
    Engine& operator=(Engine const&) = delete;

    [[nodiscard]] Napi::Value enqueue(Napi::CallbackInfo const& info);
    Napi::Value cancel(Napi::CallbackInfo const& info);
    Napi::Value releaseAdapters(Napi::CallbackInfo const& info);
    Napi::Value pinAdapter(Napi::CallbackInfo const& info);
    [[nodiscard]] Napi::Value snapshot(Napi::CallbackInfo const& info);
    [[nodiscard]] Napi::Value takeStats(Napi::CallbackInfo const& info);
    [[nodiscard]] Napi::Value close(Napi::CallbackInfo const& info);

private:
    /// Frees the runtime's thread from JavaScript, cancels everything, waits for the requests to end until `drainUntil`
    /// at most, and ends the runtime.
    void shutDown(ResponsePump::Clock::time_point drainUntil);
    [[nodiscard]] Napi::Promise shutDownOffThread();
    static void onCollected(napi_env env, void* held, void* hint);
    static void onEnvironmentEnd(void* engine);

    Napi::Env mEnv;
    std::unique_ptr<RuntimeExecutor> mRuntime;
    RequestHooks mHooks;
    std::shared_ptr<ResponsePump> mPump;
    bool mClosing = false;
    Napi::Reference<Napi::Promise> mClosed; ///< empty until close() is called
};

} // namespace trtllm_node
