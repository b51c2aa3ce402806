/// Requests on their way from the callers' threads to the engine thread.
#pragma once

#include "tensorrt_llm/executor/executor.h"

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

namespace embedded {

namespace texec = tensorrt_llm::executor;

struct QueuedRequest {
    texec::IdType id;
    texec::Request request;
    std::chrono::steady_clock::time_point arrival; ///< when it was enqueued
    texec::SizeType32 numSequences = 1;            ///< places among the active requests that it takes, all at once
};

/// What the engine thread finds when it looks into the queue.
struct Fetched {
    std::vector<QueuedRequest> requests;        ///< in the order in which they start
    std::vector<QueuedRequest> cancelledQueued; ///< cancelled before they started
    std::vector<texec::IdType> cancelledActive; ///< to be looked up among the active; may name ended requests
    bool closed = false;
};

/// Highest priority first, first come first served among equals. So that nobody waits for ever, the request that has
/// waited longest is passed over at most kMAX_PASSED_OVER times; then it is next, whatever its priority.
///
/// Thread-safe.
class RequestQueue {
public:
    static constexpr int kMAX_PASSED_OVER = 64;

    /// @param maxSize most waiting sequences; unset or not above 0: no limit
    explicit RequestQueue(std::optional<texec::SizeType32> maxSize);

    /// Adds all or none.
    /// @throws TllmException [ERR_QUEUE_FULL], [ERR_CLOSED]
    void push(std::vector<QueuedRequest> requests);
    void cancel(texec::IdType id);
    /// Refuses further requests and drops the waiting ones.
    void close();

    /// @param maxSequences most sequences to take; the search stops at the first request that does not fit
    /// @param wait whether to sleep until there is something to do
    [[nodiscard]] Fetched fetch(texec::SizeType32 maxSequences, bool wait);

    [[nodiscard]] texec::SizeType32 size() const;
    [[nodiscard]] std::vector<texec::IdType> waitingIds() const;

private:
    /// Sorts by priority, then by arrival: ids count up.
    struct Key {
        texec::PriorityType priority;
        texec::IdType id;
        bool operator<(Key const& other) const {
            return priority != other.priority ? priority > other.priority : id < other.id;
        }
    };

    [[nodiscard]] bool hasWork() const;
    [[nodiscard]] QueuedRequest remove(texec::IdType id);
    [[nodiscard]] QueuedRequest const& next() const;

    std::optional<texec::SizeType32> mMaxSize;
    mutable std::mutex mMutex;
    std::condition_variable mChanged;
    std::map<Key, QueuedRequest> mWaiting;
    std::map<texec::IdType, texec::PriorityType> mPriorities; ///< of the waiting ones, oldest first
    std::size_t mNumSequences = 0;                            ///< of the waiting ones
    int mPassedOver = 0;                                      ///< times that others started before the oldest
    Fetched mCancelled;
    bool mClosed = false;
};

} // namespace embedded
