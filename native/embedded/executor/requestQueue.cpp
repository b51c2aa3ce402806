#include "executor/requestQueue.h"

#include "tensorrt_llm/common/tllmException.h"

#include <algorithm>
#include <cmath>
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
    if (mMaxSize && mWaiting.size() + requests.size() > static_cast<std::size_t>(*mMaxSize)) {
        throw TllmException("[ERR_QUEUE_FULL] Maximum queue size of " + std::to_string(*mMaxSize)
            + " has been reached; try again when requests have ended");
    }
    for (auto& request : requests) {
        auto const priority = request.request.getPriority();
        mWaiting.emplace(std::isnan(priority) ? texec::Request::kDefaultPriority : priority, std::move(request));
    }
    mChanged.notify_one();
}

void RequestQueue::cancel(texec::IdType id) {
    std::lock_guard const lock(mMutex);
    auto const found = std::ranges::find(mWaiting, id, [](auto const& entry) { return entry.second.id; });
    if (found == mWaiting.end()) {
        mCancelled.cancelledActive.push_back(id);
    } else {
        mCancelled.cancelledQueued.push_back(std::move(found->second));
        mWaiting.erase(found);
    }
    mChanged.notify_one();
}

void RequestQueue::close() {
    std::lock_guard const lock(mMutex);
    mClosed = true;
    mWaiting.clear();
    mChanged.notify_one();
}

bool RequestQueue::hasWork() const {
    return mClosed || !mWaiting.empty() || !mCancelled.cancelledQueued.empty() || !mCancelled.cancelledActive.empty();
}

Fetched RequestQueue::fetch(texec::SizeType32 maxRequests, bool wait) {
    std::unique_lock lock(mMutex);
    if (wait) {
        mChanged.wait(lock, [this] { return hasWork(); });
    }
    Fetched fetched = std::exchange(mCancelled, {});
    fetched.closed = mClosed;
    while (!mWaiting.empty() && static_cast<texec::SizeType32>(fetched.requests.size()) < maxRequests) {
        fetched.requests.push_back(std::move(mWaiting.begin()->second));
        mWaiting.erase(mWaiting.begin());
    }
    return fetched;
}

texec::SizeType32 RequestQueue::size() const {
    std::lock_guard const lock(mMutex);
    return static_cast<texec::SizeType32>(mWaiting.size());
}

} // namespace embedded
