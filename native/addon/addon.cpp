/// The native surface: NativeAddon of lib/native.ts.
#include "config.h"
#include "engine.h"
#include "errors.h"
#include "fields.h"
#include "logitsPostProcessor.h"
#include "napiSetup.h"
#include "preload.h"
#include "report.h"
#include "runtimeExtension.h"
#include "runtimeShutdown.h"
#include "worker.h"

#include <tensorrt_llm/executor/executor.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace trtllm_node {
namespace {

/// RawEngine of a rank that serves the leader: limits, canEnqueueRequests and hasEnded().
Napi::Object wrapFollower(Napi::Env env, std::unique_ptr<RuntimeExecutor> runtime) {
    Napi::Object follower = Napi::Object::New(env);
    follower.Set("limits", toJs(env, runtime->limits()));
    follower.Set("canEnqueueRequests", Napi::Boolean::New(env, false));
    auto const ended = std::make_shared<std::future<void>>(followLeader(std::move(runtime)));
    auto const hasEnded = [ended](Napi::CallbackInfo const& info) {
        bool const ready = ended->wait_for(std::chrono::seconds(0)) == std::future_status::ready;
        return Napi::Boolean::New(info.Env(), ready);
    };
    follower.Set("hasEnded", Napi::Function::New(env, hasEnded, "hasEnded"));
    return follower;
}

/// `source` holds the memory that the options refer to; it is held until the model is loaded.
Napi::Promise startLoading(
    Napi::Env env, EngineOptions options, Napi::Object const& source, Engine::Listeners const& listeners) {
    RequestHooks const hooks;
    installLogitsPostProcessor(options.config, hooks);
    return runOffThread(
        env,
        [options = std::move(options)] {
            return createRuntimeExecutor(options.model, options.config, options.runtime);
        },
        [hooks, source = Napi::Persistent(source), onResponses = Napi::Persistent(listeners.onResponses),
            onLogits = Napi::Persistent(listeners.onLogits)](
            Napi::Env callEnv, std::unique_ptr<RuntimeExecutor> runtime) {
            if (!runtime->executor().canEnqueueRequests()) {
                return wrapFollower(callEnv, std::move(runtime));
            }
            return Engine::wrap(onResponses.Env(), std::move(runtime), hooks, {onResponses.Value(), onLogits.Value()});
        });
}

/// createEngine(options, onResponses, onLogits): wrong arguments reject the promise, too.
Napi::Value createEngine(Napi::CallbackInfo const& info) {
    try {
        Engine::Listeners const listeners{
            requireFunction(info[1], "onResponses"), requireFunction(info[2], "onLogits")};
        return startLoading(info.Env(), readEngineOptions(info[0]), info[0].As<Napi::Object>(), listeners);
    } catch (std::exception const& error) {
        auto const deferred = Napi::Promise::Deferred::New(info.Env());
        deferred.Reject(toJsError(info.Env(), error).Value());
        return deferred.Promise();
    }
}

Napi::Array capabilities(Napi::Env env) {
    std::vector<std::string> const names = runtimeCapabilities();
    Napi::Array array = Napi::Array::New(env, names.size());
    for (std::uint32_t i = 0; i < names.size(); ++i) {
        array.Set(i, names[i]);
    }
    return array;
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
    exports.Set("runtime", runtimeName());
    exports.Set("apiVersion", tensorrt_llm::executor::version());
    exports.Set("capabilities", capabilities(env));
    exports.Set("createEngine", Napi::Function::New<createEngine>(env, "createEngine"));
    exports.Set("endEngines", Napi::Function::New<guarded<Engine::endAll>>(env, "endEngines"));
    exports.Set("preload", Napi::Function::New<guarded<preload>>(env, "preload"));
    exports.Set("tryMpi", Napi::Function::New<guarded<tryMpi>>(env, "tryMpi"));
    return exports;
}

} // namespace

NODE_API_MODULE(trtllm_node, initialize)

} // namespace trtllm_node
