#include "executor/responseQueue.h"

#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>

namespace embedded {

texec::IdType ResponseQueue::openId(std::size_t numSequences) {
    std::lock_guard const lock(mMutex);
    auto const id = mNextId;
    mNextId += numSequences;
    mLive.insert(id);
    return id;
}

void ResponseQueue::forgetIds(std::span<texec::IdType const> ids) {
    std::lock_guard const lock(mMutex);
    for (auto const id : ids) {
        mLive.erase(id);
    }
}

bool ResponseQueue::isLive(texec::IdType id) const {
    std::lock_guard const lock(mMutex);
    return mLive.contains(id);
}

void ResponseQueue::publish(std::vector<texec::Response> responses) {
    std::lock_guard const lock(mMutex);
    for (auto& response : responses) {
        mReady[response.getRequestId()].push_back(std::move(response));
    }
    mChanged.notify_all();
}

template <typename Predicate>
void ResponseQueue::wait(std::unique_lock<std::mutex>& lock, Timeout const& timeout, Predicate ready) {
    auto const done = [&] { return mClosed || ready(); };
    if (timeout) {
        mChanged.wait_for(lock, *timeout, done);
    } else {
        mChanged.wait(lock, done);
    }
}

void ResponseQueue::retire(std::vector<texec::Response> const& handedOut) {
    for (auto const& response : handedOut) {
        if (response.hasError() || response.getResult().isFinal) {
            mLive.erase(response.getRequestId());
        }
    }
}

std::vector<texec::Response> ResponseQueue::awaitAny(Timeout const& timeout) {
    std::unique_lock lock(mMutex);
    wait(lock, timeout, [this] { return !mReady.empty(); });
    std::vector<texec::Response> all;
    for (auto& [id, responses] : mReady) {
        all.insert(all.end(), std::move_iterator(responses.begin()), std::move_iterator(responses.end()));
    }
    mReady.clear();
    retire(all);
    return all;
}

std::vector<texec::Response> ResponseQueue::awaitId(texec::IdType id, Timeout const& timeout) {
    std::unique_lock lock(mMutex);
    if (id > 0 && id < mNextId && !mLive.contains(id)) {
        return {texec::Response(id,
            "[ERR_INVALID_ARGUMENT] ReqId " + std::to_string(id) + " has already been processed and was terminated.")};
    }
    wait(lock, timeout, [&] { return mReady.contains(id); });
    auto node = mReady.extract(id);
    if (node.empty()) {
        if (mClosed) {
            throw std::out_of_range(
                "[ERR_CLOSED] the executor was shut down before request " + std::to_string(id) + " had a response");
        }
        return {};
    }
    retire(node.mapped());
    return std::move(node.mapped());
}

texec::SizeType32 ResponseQueue::numReady(std::optional<texec::IdType> const& id) const {
    std::lock_guard const lock(mMutex);
    if (id) {
        auto const found = mReady.find(*id);
        return found == mReady.end() ? 0 : static_cast<texec::SizeType32>(found->second.size());
    }
    std::size_t count = 0;
    for (auto const& [ready, responses] : mReady) {
        count += responses.size();
    }
    return static_cast<texec::SizeType32>(count);
}

void ResponseQueue::close() {
    std::lock_guard const lock(mMutex);
    mClosed = true;
    mChanged.notify_all();
}

} // namespace embedded
