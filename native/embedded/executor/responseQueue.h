/// Responses on their way from the engine thread to the callers' threads.
#pragma once

#include "tensorrt_llm/executor/executor.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace embedded {

namespace texec = tensorrt_llm::executor;

/// Thread-safe. A request id is live from openId() until its last response is handed out.
class ResponseQueue {
public:
    using Timeout = std::optional<std::chrono::milliseconds>;

    /// Takes the next id into use; those of a request's further samples follow it and never come up again.
    /// @param numSequences samples of the request, the first one included
    [[nodiscard]] texec::IdType openId(std::size_t numSequences);
    /// Takes back ids whose requests were refused.
    void forgetIds(std::span<texec::IdType const> ids);
    [[nodiscard]] bool isLive(texec::IdType id) const;

    void publish(std::vector<texec::Response> responses);

    /// Everything that is ready; waits for something, at most for `timeout`.
    [[nodiscard]] std::vector<texec::Response> awaitAny(Timeout const& timeout);
    /// Everything that is ready for one id. An id that has ended gives one error response.
    /// @throws std::out_of_range if the queue is closed while nothing is there for the id
    [[nodiscard]] std::vector<texec::Response> awaitId(texec::IdType id, Timeout const& timeout);

    [[nodiscard]] texec::SizeType32 numReady(std::optional<texec::IdType> const& id) const;

    /// Wakes everybody who waits, now and from now on.
    void close();

private:
    template <typename Predicate>
    void wait(std::unique_lock<std::mutex>& lock, Timeout const& timeout, Predicate ready);
    /// Ids whose last response is among those handed out are live no more.
    void retire(std::vector<texec::Response> const& handedOut);

    mutable std::mutex mMutex;
    std::condition_variable mChanged;
    texec::IdType mNextId = 1;
    std::unordered_set<texec::IdType> mLive;
    std::unordered_map<texec::IdType, std::vector<texec::Response>> mReady;
    bool mClosed = false;
};

} // namespace embedded
