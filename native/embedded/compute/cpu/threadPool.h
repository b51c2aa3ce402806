/// The one pool of compute threads of the process.
#pragma once

#include "tensorrt_llm/executor/types.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <type_traits>

namespace embedded::compute {

using tensorrt_llm::executor::SizeType32;

/// A callable of (task, slot) that outlives the call it is passed to; a reference, nothing is copied or allocated.
class TaskRef {
public:
    template <class Function>
    requires(!std::is_same_v<Function, TaskRef>) TaskRef(Function const& function)
        : mFunction(&function)
        , mCall([](void const* target, std::int64_t task, SizeType32 slot) {
            (*static_cast<Function const*>(target))(task, slot);
        }) {}

    void operator()(std::int64_t task, SizeType32 slot) const { mCall(mFunction, task, slot); }

private:
    void const* mFunction;
    void (*mCall)(void const*, std::int64_t, SizeType32);
};

/// Splits loops over threads that are made when first needed and shared by all engines.
///
/// Thread-safety: parallelFor() may be called from any thread at any time, also from within a task.
///
/// Life: workers look for the next call for a few dozen microseconds and then sleep in the kernel. The pool is never
/// destroyed: its threads are detached, own nothing, and are asleep when the process exits.
class ThreadPool {
public:
    static ThreadPool& instance();

    /// Calls task(i, slot) once for each i in [0, numTasks), in any order, and returns when all are done. The caller
    /// takes part. `slot` < maxThreads is the same for no two calls that run at the same time, so it can choose scratch
    /// memory. While another thread uses the pool, the caller does all tasks alone instead of waiting.
    /// REQUIRES: task does not throw.
    void parallelFor(SizeType32 maxThreads, std::int64_t numTasks, TaskRef task) noexcept;

private:
    /// What wakes one worker: a count of the calls that it was invited to.
    struct alignas(64) Worker {
        std::atomic<int> invitations{0};
    };

    ThreadPool() = default;
    /// Starts workers until there are `count`; returns how many there are, fewer if the system has no more threads.
    SizeType32 grow(SizeType32 count);
    void workerMain(Worker& worker, SizeType32 slot);
    bool enterCall();
    void leaveCall();
    void closeCall();
    void runTasks(SizeType32 slot);

    /// Held by the thread whose call is running; guards the members down to mNumSlots.
    std::atomic<bool> mBusy{false};
    std::deque<Worker> mWorkers;
    TaskRef const* mTask = nullptr;
    std::int64_t mNumTasks = 0;
    SizeType32 mNumSlots = 0;

    alignas(64) std::atomic<std::int64_t> mNextTask{0};
    /// kOPEN while workers may join the call, plus the number of workers inside. Workers read the call's members only
    /// inside, and the caller changes them only when the gate is closed and nobody is inside: a worker that wakes up
    /// late finds the gate closed, or joins the next call, and is never waited for.
    alignas(64) std::atomic<int> mGate{0};
};

} // namespace embedded::compute
