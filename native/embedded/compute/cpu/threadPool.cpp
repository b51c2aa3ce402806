#include "compute/cpu/threadPool.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <immintrin.h>
#include <pthread.h>
#include <string>
#include <system_error>
#include <thread>

namespace embedded::compute {

namespace {

constexpr int kOPEN = 1 << 30;

/// Longer than the gap between two parallel loops of a step, far shorter than a scheduler's time slice.
constexpr std::chrono::microseconds kSPIN_TIME{40};

/// Whether `ready` came true within the spin time.
template <class Ready> bool spinUntil(Ready const& ready) {
    auto const deadline = std::chrono::steady_clock::now() + kSPIN_TIME;
    do {
        for (int i = 0; i < 16; ++i) {
            if (ready()) {
                return true;
            }
            _mm_pause();
        }
    } while (std::chrono::steady_clock::now() < deadline);
    return false;
}

/// Blocks all signals of this thread, and so of threads that it starts: signals belong to the host program.
class SignalBlock {
public:
    SignalBlock() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &mPrevious);
    }
    ~SignalBlock() { pthread_sigmask(SIG_SETMASK, &mPrevious, nullptr); }
    SignalBlock(SignalBlock const&) = delete;
    SignalBlock& operator=(SignalBlock const&) = delete;

private:
    sigset_t mPrevious;
};

} // namespace

ThreadPool& ThreadPool::instance() {
    // Leaked on purpose: a destructor at process exit would have to join threads inside a half torn down process.
    static ThreadPool& pool = *new ThreadPool;
    return pool;
}

void ThreadPool::parallelFor(SizeType32 maxThreads, std::int64_t numTasks, TaskRef task) noexcept {
    if (maxThreads < 2 || numTasks < 2 || mBusy.exchange(true, std::memory_order_acquire)) {
        for (std::int64_t i = 0; i < numTasks; ++i) {
            task(i, 0);
        }
        return;
    }
    auto const wanted = static_cast<SizeType32>(std::min<std::int64_t>(maxThreads, numTasks)) - 1;
    SizeType32 const helpers = std::min(wanted, grow(wanted));
    mTask = &task;
    mNumTasks = numTasks;
    mNumSlots = helpers + 1;
    mNextTask.store(0, std::memory_order_relaxed);
    mGate.store(kOPEN, std::memory_order_release);
    for (SizeType32 i = 0; i < helpers; ++i) {
        auto& invitations = mWorkers[static_cast<std::size_t>(i)].invitations;
        invitations.fetch_add(1, std::memory_order_seq_cst);
        invitations.notify_one();
    }
    runTasks(0);
    closeCall();
    mBusy.store(false, std::memory_order_release);
}

void ThreadPool::runTasks(SizeType32 slot) {
    TaskRef const task = *mTask;
    std::int64_t const numTasks = mNumTasks;
    for (auto i = mNextTask.fetch_add(1, std::memory_order_relaxed); i < numTasks;
         i = mNextTask.fetch_add(1, std::memory_order_relaxed)) {
        task(i, slot);
    }
}

void ThreadPool::closeCall() {
    int inside = mGate.fetch_and(~kOPEN, std::memory_order_acq_rel) & ~kOPEN;
    while (inside != 0) {
        auto const isEmpty = [this] { return mGate.load(std::memory_order_acquire) == 0; };
        if (!spinUntil(isEmpty)) {
            // A worker lost its core in the middle of a task: sleep, so that it can have this one.
            mGate.wait(inside, std::memory_order_acquire);
        }
        inside = mGate.load(std::memory_order_acquire);
    }
}

bool ThreadPool::enterCall() {
    int gate = mGate.load(std::memory_order_relaxed);
    while ((gate & kOPEN) != 0) {
        if (mGate.compare_exchange_weak(gate, gate + 1, std::memory_order_acq_rel, std::memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

void ThreadPool::leaveCall() {
    if (mGate.fetch_sub(1, std::memory_order_seq_cst) == 1) {
        mGate.notify_one();
    }
}

void ThreadPool::workerMain(Worker& worker, SizeType32 slot) {
    pthread_setname_np(pthread_self(), ("trtllm-cpu-" + std::to_string(slot)).substr(0, 15).c_str());
    int seen = 0;
    for (;;) {
        auto const isInvited = [&] { return worker.invitations.load(std::memory_order_acquire) != seen; };
        if (!spinUntil(isInvited)) {
            worker.invitations.wait(seen, std::memory_order_acquire);
        }
        seen = worker.invitations.load(std::memory_order_acquire);
        if (enterCall()) {
            // A late worker may have come into a later call that is meant for fewer.
            if (slot < mNumSlots) {
                runTasks(slot);
            }
            leaveCall();
        }
    }
}

SizeType32 ThreadPool::grow(SizeType32 count) {
    while (static_cast<SizeType32>(mWorkers.size()) < count) {
        SignalBlock const noSignals;
        Worker& worker = mWorkers.emplace_back();
        try {
            auto const slot = static_cast<SizeType32>(mWorkers.size());
            std::thread([this, &worker, slot] { workerMain(worker, slot); }).detach();
        } catch (std::system_error const&) {
            mWorkers.pop_back();
            break;
        }
    }
    return static_cast<SizeType32>(mWorkers.size());
}

} // namespace embedded::compute
