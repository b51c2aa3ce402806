/// Work off the JavaScript thread, as a promise.
#pragma once

#include "errors.h"
#include "napiSetup.h"

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace trtllm_node {

/// Runs `work()` on a libuv thread, then `settle(env, result)` on the JavaScript thread, and resolves the promise with
/// what that returns. Deletes itself.
///
/// Node waits for running work before it tears an environment down, then calls back with JavaScript disabled:
/// `settle` may find every call into JavaScript failing, so whatever it was given must be owned by something.
template <typename Work, typename Settle> class Worker final : public Napi::AsyncWorker {
public:
    Worker(Napi::Env env, Work work, Settle settle)
        : Napi::AsyncWorker(env, "trtllm-node")
        , mWork(std::move(work))
        , mSettle(std::move(settle))
        , mDeferred(Napi::Promise::Deferred::New(env)) {}

    [[nodiscard]] Napi::Promise promise() const { return mDeferred.Promise(); }

private:
    void Execute() override {
        try {
            mResult.emplace(mWork());
        } catch (std::exception const& error) {
            SetError(toErrorMessage(error.what()));
        } catch (...) {
            SetError(toErrorMessage("unknown exception"));
        }
    }

    void OnOK() override {
        try {
            mDeferred.Resolve(mSettle(Env(), std::move(*mResult)));
        } catch (std::exception const& error) {
            mDeferred.Reject(toJsError(Env(), error).Value());
        }
    }

    void OnError(Napi::Error const& error) override { mDeferred.Reject(error.Value()); }

    Work mWork;
    Settle mSettle;
    std::optional<std::invoke_result_t<Work&>> mResult;
    Napi::Promise::Deferred mDeferred;
};

template <typename Work, typename Settle>
[[nodiscard]] Napi::Promise runOffThread(Napi::Env env, Work work, Settle settle) {
    auto* worker = new Worker<Work, Settle>(env, std::move(work), std::move(settle));
    Napi::Promise const promise = worker->promise();
    worker->Queue();
    return promise;
}

} // namespace trtllm_node
