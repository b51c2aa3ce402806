#include "requestRegistry.h"

#include <utility>

namespace trtllm_node {

RequestRegistry::IdType RequestRegistry::add(Extras extras) {
    std::lock_guard const lock(mMutex);
    mEntries.emplace(++mLastId, Entry{std::move(extras), {}});
    return mLastId;
}

void RequestRegistry::remove(std::optional<IdType> clientId) {
    std::lock_guard const lock(mMutex);
    if (clientId) {
        mEntries.erase(*clientId);
    }
}

RequestRegistry::Entry const* RequestRegistry::entry(std::optional<IdType> clientId) const {
    auto const found = clientId ? mEntries.find(*clientId) : mEntries.end();
    return found == mEntries.end() ? nullptr : &found->second;
}

RequestRegistry::Extras RequestRegistry::find(std::optional<IdType> clientId) const {
    std::lock_guard const lock(mMutex);
    auto const* const found = entry(clientId);
    return found == nullptr ? nullptr : found->extras;
}

void RequestRegistry::fail(IdType clientId, std::string message) {
    std::lock_guard const lock(mMutex);
    auto const found = mEntries.find(clientId);
    if (found != mEntries.end()) {
        found->second.failure = std::move(message);
    }
}

std::string RequestRegistry::failure(std::optional<IdType> clientId) const {
    std::lock_guard const lock(mMutex);
    auto const* const found = entry(clientId);
    return found == nullptr ? std::string() : found->failure;
}

} // namespace trtllm_node
