#include "executor/requestQueue.h"

#include "tensorrt_llm/common/tllmException.h"

#include <cmath>
#include <numeric>
#include <string>
#include <utility>

namespace embedded {

using tensorrt_llm::common::TllmException;

RequestQueue::RequestQueue(std::optional<texec::SizeType32> maxSize)
    : mMaxSize(maxSize.value_or(0) > 0 ? maxSize : std::nullopt) {}

void RequestQueue::push(std::vector<QueuedRequest> requests) {
    std::lock_guard const lock(mMutex);
    if (mClosed) {
        throw TllmException("[ERR_CLOSED] Shutdown called");
    }
    auto const add = [](std::size_t sum, QueuedRequest const& request) {
        return sum + static_cast<std::size_t>(request.numSequences);
    };
    auto const numSequences = std::accumulate(requests.begin(), requests.end(), mNumSequences, add);
    if (mMaxSize && numSequences > static_cast<std::size_t>(*mMaxSize)) {
        throw TllmException("[ERR_QUEUE_FULL] Maximum queue size of " + std::to_string(*mMaxSize)
            + " has been reached; try again when requests have ended");
    }
    mNumSequences = numSequences;
    for (auto& request : requests) {
        auto const asked = request.request.getPriority();
        auto const priority = std::isnan(asked) ? texec::Request::kDefaultPriority : asked;
        mPriorities.emplace(request.id, priority);
        mWaiting.emplace(Key{priority, request.id}, std::move(request));
    }
    mChanged.notify_one();
}

void RequestQueue::cancel(texec::IdType id) {
    std::lock_guard const lock(mMutex);
    if (mPriorities.contains(id)) {
        mCancelled.cancelledQueued.push_back(remove(id));
    } else {
        mCancelled.cancelledActive.push_back(id);
    }
    mChanged.notify_one();
}

QueuedRequest RequestQueue::remove(texec::IdType id) {
    auto const entry = mPriorities.find(id);
    mPassedOver = entry == mPriorities.begin() ? 0 : mPassedOver;
    auto node = mWaiting.extract(Key{entry->second, id});
    mPriorities.erase(entry);
    mNumSequences -= static_cast<std::size_t>(node.mapped().numSequences);
    return std::move(node.mapped());
}

QueuedRequest const& RequestQueue::next() const {
    auto const& [oldest, priority] = *mPriorities.begin();
    return mPassedOver < kMAX_PASSED_OVER ? mWaiting.begin()->second : mWaiting.at(Key{priority, oldest});
}

void RequestQueue::close() {
    std::lock_guard const lock(mMutex);
    mClosed = true;
    mWaiting.clear();
    mNumSequences = 0;
    mPriorities.clear();
    mChanged.notify_one();
}

bool RequestQueue::hasWork() const {
    return mClosed || !mWaiting.empty() || !mCancelled.cancelledQueued.empty() || !mCancelled.cancelledActive.empty();
}

Fetched RequestQueue::fetch(texec::SizeType32 maxSequences, bool wait) {
    std::unique_lock lock(mMutex);
    if (wait) {
        mChanged.wait(lock, [this] { return hasWork(); });
    }
    Fetched fetched = std::exchange(mCancelled, {});
    fetched.closed = mClosed;
    while (!mWaiting.empty() && next().numSequences <= maxSequences) {
        auto const id = next().id;
        maxSequences -= next().numSequences;
        ++mPassedOver; // remove() forgets it if this is the oldest
        fetched.requests.push_back(remove(id));
    }
    return fetched;
}

texec::SizeType32 RequestQueue::size() const {
    std::lock_guard const lock(mMutex);
    return static_cast<texec::SizeType32>(mWaiting.size());
}

std::vector<texec::IdType> RequestQueue::waitingIds() const {
    std::lock_guard const lock(mMutex);
    std::vector<texec::IdType> ids;
    for (auto const& [key, request] : mWaiting) {
        ids.push_back(key.id);
    }
    return ids;
}

} // namespace embedded
