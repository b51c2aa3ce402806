/// The Executor's inside: two queues and the thread that runs the engine between them.
#pragma once

#include "executor/engine.h"
#include "executor/model.h"
#include "executor/requestQueue.h"
#include "executor/responseQueue.h"

#include "tensorrt_llm/executor/executor.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace tensorrt_llm::executor {

/// Thread-safe, as Executor is.
class Executor::Impl {
public:
    /// @param encoder null: requests bring the encoder's output
    Impl(Model const* encoder, Model const& decoder, ExecutorConfig const& config);
    ~Impl();
    Impl(Impl const&) = delete;
    Impl& operator=(Impl const&) = delete;

    [[nodiscard]] std::vector<IdType> enqueue(std::vector<Request> const& requests);
    void cancel(IdType id);
    void shutdown();
    [[nodiscard]] bool isShutdown() const { return mShutdown; }
    /// @throws TllmException [ERR_CLOSED] after shutdown()
    void requireOpen() const;

    [[nodiscard]] embedded::ResponseQueue& responses() { return mResponses; }
    [[nodiscard]] embedded::RequestQueue const& requests() const { return mRequests; }
    [[nodiscard]] embedded::Engine& engine() { return mEngine; }

private:
    void runLoop();
    void requirePostProcessors(std::vector<Request> const& requests) const;

    std::optional<LogitsPostProcessorConfig> mPostProcessors;
    embedded::RequestQueue mRequests;
    embedded::ResponseQueue mResponses;
    embedded::Engine mEngine;
    std::atomic<bool> mShutdown = false;
    std::once_flag mJoined;
    std::thread mThread;
};

/// How runtimeExtension reaches what the API does not show.
struct ExecutorAccess {
    using Impl = Executor::Impl;
    static Impl& impl(Executor& executor) { return *executor.mImpl; }
};

} // namespace tensorrt_llm::executor
