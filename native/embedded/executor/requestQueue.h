/// Requests on their way from the callers' threads to the engine thread.
#pragma once

#include "tensorrt_llm/executor/executor.h"

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

namespace embedded {

namespace texec = tensorrt_llm::executor;

struct QueuedRequest {
    texec::IdType id;
    texec::Request request;
};

/// What the engine thread finds when it looks into the queue.
struct Fetched {
    std::vector<QueuedRequest> requests;        ///< highest priority first, first come first served among equals
    std::vector<QueuedRequest> cancelledQueued; ///< cancelled before they started
    std::vector<texec::IdType> cancelledActive; ///< to be looked up among the active; may name ended requests
    bool closed = false;
};

/// Thread-safe.
class RequestQueue {
public:
    /// @param maxSize most waiting requests; unset or not above 0: no limit
    explicit RequestQueue(std::optional<texec::SizeType32> maxSize);

    /// Adds all or none.
    /// @throws TllmException [ERR_QUEUE_FULL], [ERR_CLOSED]
    void push(std::vector<QueuedRequest> requests);
    void cancel(texec::IdType id);
    /// Refuses further requests and drops the waiting ones.
    void close();

    /// @param maxRequests most requests to take
    /// @param wait whether to sleep until there is something to do
    [[nodiscard]] Fetched fetch(texec::SizeType32 maxRequests, bool wait);

    [[nodiscard]] texec::SizeType32 size() const;

private:
    [[nodiscard]] bool hasWork() const;

    std::optional<texec::SizeType32> mMaxSize;
    mutable std::mutex mMutex;
    std::condition_variable mChanged;
    /// Equal keys keep their order of insertion.
    std::multimap<texec::PriorityType, QueuedRequest, std::greater<>> mWaiting;
    Fetched mCancelled;
    bool mClosed = false;
};

} // namespace embedded
