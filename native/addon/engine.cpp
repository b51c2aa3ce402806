#include "engine.h"

#include "errors.h"
#include "fields.h"
#include "report.h"
#include "request.h"
#include "runtimeShutdown.h"
#include "worker.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace trtllm_node {
namespace {

using Clock = ResponsePump::Clock;

constexpr std::chrono::seconds kSHUTDOWN_TIMEOUT{5};
constexpr char const* kCLOSED = "[ERR_CLOSED] the engine is closed";

/// Marks the objects of this module; another one's (the addon of the other runtime) have another address in it.
napi_type_tag const& engineTag() {
    static napi_type_tag const tag{0x74727466c6d656e6, reinterpret_cast<std::uintptr_t>(&engineTag)};
    return tag;
}

Engine& receiver(Napi::CallbackInfo const& info) {
    Napi::Value const self = info.This();
    if (!self.IsObject() || !self.As<Napi::Object>().CheckTypeTag(&engineTag())) {
        throw ArgumentError("the method must be called on an engine");
    }
    void* held = nullptr;
    if (napi_unwrap(info.Env(), self, &held) != napi_ok) {
        throw Napi::Error::New(info.Env());
    }
    return **static_cast<std::shared_ptr<Engine>*>(held);
}

template <Napi::Value (Engine::*method)(Napi::CallbackInfo const&)>
Napi::Value callMethod(Napi::CallbackInfo const& info) {
    return (receiver(info).*method)(info);
}

template <Napi::Value (Engine::*method)(Napi::CallbackInfo const&)>
Napi::PropertyDescriptor methodProperty(Napi::Env env, char const* name) {
    return Napi::PropertyDescriptor::Value(
        name, Napi::Function::New<guarded<callMethod<method>>>(env, name), napi_enumerable);
}

/// All of the process, by environment.
struct Registry {
    std::mutex mutex;
    std::multimap<napi_env, Engine*> engines;
};

Registry& registry() {
    static Registry instance;
    return instance;
}

/// Before the pump starts: its thread cannot be left behind if this fails.
RequestHooks attach(Napi::Env env, RequestHooks hooks, Napi::Function const& onLogits) {
    hooks.bridge->attach(env, onLogits);
    return hooks;
}

Napi::Value toJs(Napi::Env env, ResponsePump::Enqueued const& enqueued) {
    if (auto const* id = std::get_if<ResponsePump::IdType>(&enqueued)) {
        return Napi::Number::New(env, static_cast<double>(*id));
    }
    return Napi::String::New(env, std::get<std::string>(enqueued));
}

} // namespace

Napi::Object Engine::wrap(
    Napi::Env env, std::unique_ptr<RuntimeExecutor> runtime, RequestHooks hooks, Listeners const& listeners) {
    Napi::Object limits = toJs(env, runtime->limits());
    limits.Freeze();
    auto const canEnqueue = Napi::Boolean::New(env, runtime->executor().canEnqueueRequests());
    auto held = std::make_unique<std::shared_ptr<Engine>>(
        std::make_shared<Engine>(env, std::move(runtime), std::move(hooks), listeners));
    Napi::Object object = Napi::Object::New(env);
    object.DefineProperties({
        Napi::PropertyDescriptor::Value("limits", limits, napi_enumerable),
        Napi::PropertyDescriptor::Value("canEnqueueRequests", canEnqueue, napi_enumerable),
        methodProperty<&Engine::enqueue>(env, "enqueue"),
        methodProperty<&Engine::cancel>(env, "cancel"),
        methodProperty<&Engine::releaseAdapters>(env, "releaseAdapters"),
        methodProperty<&Engine::pinAdapter>(env, "pinAdapter"),
        methodProperty<&Engine::snapshot>(env, "snapshot"),
        methodProperty<&Engine::takeStats>(env, "takeStats"),
        methodProperty<&Engine::close>(env, "close"),
    });
    object.TypeTag(&engineTag());
    if (napi_wrap(env, object, held.get(), onCollected, nullptr, nullptr) != napi_ok) {
        throw Napi::Error::New(env);
    }
    held.release(); // onCollected() deletes it
    return object;
}

Engine::Engine(Napi::Env env, std::unique_ptr<RuntimeExecutor> runtime, RequestHooks hooks, Listeners const& listeners)
    : mEnv(env)
    , mRuntime(std::move(runtime))
    , mHooks(attach(env, std::move(hooks), listeners.onLogits))
    , mPump(ResponsePump::start(env, *mRuntime, mHooks.registry, listeners.onResponses)) {
    napi_add_env_cleanup_hook(mEnv, onEnvironmentEnd, this);
    std::lock_guard const lock(registry().mutex);
    registry().engines.emplace(mEnv, this);
}

Engine::~Engine() {
    {
        std::lock_guard const lock(registry().mutex);
        auto const [begin, end] = registry().engines.equal_range(mEnv);
        auto const self = std::find_if(begin, end, [this](auto const& entry) { return entry.second == this; });
        registry().engines.erase(self);
    }
    napi_remove_env_cleanup_hook(mEnv, onEnvironmentEnd, this);
    onEnvironmentEnd(this);
}

Napi::Value Engine::enqueue(Napi::CallbackInfo const& info) {
    Napi::Array const items = requireArray(info[0], "requests");
    Napi::Array outcomes = Napi::Array::New(info.Env(), items.Length());
    std::vector<IncomingRequest> requests;
    std::vector<std::uint32_t> positions;
    for (std::uint32_t i = 0; i < items.Length(); ++i) {
        try {
            requests.push_back(readRequest(items[i]));
            positions.push_back(i);
        } catch (std::exception const& error) {
            outcomes[i] = Napi::String::New(info.Env(), toErrorMessage(error.what()));
        }
    }
    // Checked only now: a getter of a request may have closed the engine.
    auto const enqueued = mClosing ? std::vector<ResponsePump::Enqueued>(requests.size(), kCLOSED)
                                   : mPump->enqueue(info.Env(), std::move(requests));
    for (std::size_t i = 0; i < positions.size(); ++i) {
        outcomes[positions[i]] = toJs(info.Env(), enqueued[i]);
    }
    return outcomes;
}

Napi::Value Engine::cancel(Napi::CallbackInfo const& info) {
    Napi::Array const items = requireArray(info[0], "ids");
    for (std::uint32_t i = 0; i < items.Length(); ++i) {
        auto const id = readValue<ResponsePump::IdType>(items[i], "an id");
        if (!mClosing) {
            mPump->cancel(id);
        }
    }
    return info.Env().Undefined();
}

Napi::Value Engine::releaseAdapters(Napi::CallbackInfo const& info) {
    Napi::Array const items = requireArray(info[0], "ids");
    for (std::uint32_t i = 0; i < items.Length(); ++i) {
        auto const id = readValue<std::uint64_t>(items[i], "an id");
        if (!mClosing) {
            mRuntime->releaseAdapter(id);
        }
    }
    return info.Env().Undefined();
}

Napi::Value Engine::pinAdapter(Napi::CallbackInfo const& info) {
    auto const id = readValue<std::uint64_t>(info[0], "the id");
    auto const pinned = readValue<bool>(info[1], "pinned");
    if (!mClosing) {
        mRuntime->pinAdapter(id, pinned);
    }
    return info.Env().Undefined();
}

Napi::Value Engine::snapshot(Napi::CallbackInfo const& info) {
    if (mClosing) {
        throw Napi::Error::New(info.Env(), kCLOSED);
    }
    return toJs(info.Env(), mRuntime->snapshot());
}

Napi::Value Engine::takeStats(Napi::CallbackInfo const& info) {
    if (mClosing) {
        throw Napi::Error::New(info.Env(), kCLOSED);
    }
    return trtllm_node::takeStats(info.Env(), *mRuntime);
}

Napi::Value Engine::close(Napi::CallbackInfo const&) {
    if (mClosed.IsEmpty()) {
        mClosed = Napi::Reference<Napi::Promise>::New(shutDownOffThread(), 1);
    }
    return mClosed.Value();
}

Napi::Promise Engine::shutDownOffThread() {
    mClosing = true;
    return runOffThread(
        mEnv,
        [self = shared_from_this()] {
            self->shutDown(Clock::now() + kSHUTDOWN_TIMEOUT);
            return std::monostate{};
        },
        [self = shared_from_this()](Napi::Env env, std::monostate) {
            self->mPump->finish(env);
            self->mHooks.bridge->release();
            return env.Undefined();
        });
}

void Engine::shutDown(Clock::time_point drainUntil) {
    if (!mRuntime) {
        return;
    }
    auto const deadline = Clock::now() + kSHUTDOWN_TIMEOUT;
    mHooks.bridge->stop(); // the runtime's thread must not wait for JavaScript any more
    mPump->cancelAll();
    mPump->stop(drainUntil);
    // A drained runtime ends at once, even if draining took all the time.
    shutDownRuntime(std::move(mRuntime), std::max(deadline, Clock::now() + std::chrono::seconds(1)));
}

Napi::Value Engine::endAll(Napi::CallbackInfo const& info) {
    std::vector<Engine*> engines;
    {
        std::lock_guard const lock(registry().mutex);
        auto const [begin, end] = registry().engines.equal_range(info.Env());
        std::transform(begin, end, std::back_inserter(engines), [](auto const& entry) { return entry.second; });
    }
    for (Engine* const engine : engines) { // destroyed on this thread only
        if (!engine->mClosing) {
            onEnvironmentEnd(engine);
        }
    }
    return info.Env().Undefined();
}

void Engine::onCollected(napi_env, void* held, void*) {
    std::unique_ptr<std::shared_ptr<Engine>> const owner(static_cast<std::shared_ptr<Engine>*>(held));
    Engine& engine = **owner;
    if (engine.mClosing) {
        return;
    }
    try {
        std::ignore = engine.shutDownOffThread();
    } catch (std::exception const&) {
        // The environment takes no more work: the destructor does it here.
    }
}

void Engine::onEnvironmentEnd(void* data) {
    auto& engine = *static_cast<Engine*>(data);
    engine.mClosing = true;
    engine.shutDown(Clock::now());
    engine.mPump->release();
    engine.mHooks.bridge->release();
}

} // namespace trtllm_node
