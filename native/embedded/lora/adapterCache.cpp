#include "lora/adapterCache.h"

#include "tensorrt_llm/common/tllmException.h"

#include <string>

namespace embedded {

namespace {

using tensorrt_llm::common::TllmException;

/// Held by the cache alone.
bool isIdle(AdapterPtr const& adapter) {
    return adapter.use_count() == 1;
}

} // namespace

AdapterCache::AdapterCache(LoraTarget const& target, std::size_t maxBytes, compute::Backend& backend)
    : mTarget(target)
    , mMaxBytes(maxBytes)
    , mBackend(backend) {}

AdapterPtr AdapterCache::acquire(tensorrt_llm::executor::LoraConfig const& config) {
    auto const task = config.getTaskId();
    if (auto adapter = find(task)) {
        return adapter;
    }
    auto const weights = config.getWeights();
    auto const rows = config.getConfig();
    if (!weights || !rows) {
        throw TllmException("[ERR_LORA_NOT_FOUND] LoRA task " + std::to_string(task)
            + " is not in the cache, and the request brings no weights");
    }
    LoraRows const given{*weights, *rows};
    auto const bytes = Adapter::bytesOf(given, mTarget.weightType);
    auto adapter = std::make_shared<Adapter const>(given, mTarget, mNumPrepared + 1, mBackend);
    ++mNumPrepared;
    std::lock_guard const lock(mMutex);
    makeRoom(bytes);
    mEntries.push_front({task, bytes, adapter});
    mByTask.emplace(task, mEntries.begin());
    mBytes += bytes;
    return adapter;
}

AdapterPtr AdapterCache::find(TaskId task) {
    std::lock_guard const lock(mMutex);
    auto const found = mByTask.find(task);
    if (found == mByTask.end()) {
        return nullptr;
    }
    mEntries.splice(mEntries.begin(), mEntries, found->second);
    return found->second->adapter;
}

void AdapterCache::makeRoom(std::size_t bytes) {
    for (auto entry = mEntries.end(); entry != mEntries.begin() && mBytes + bytes > mMaxBytes;) {
        auto const candidate = std::prev(entry);
        if (isIdle(candidate->adapter) && !mPinned.contains(candidate->task)) {
            drop(candidate);
        } else {
            entry = candidate;
        }
    }
    if (mBytes + bytes > mMaxBytes) {
        throw TllmException("[ERR_LORA_CACHE_FULL] the adapter takes " + std::to_string(bytes) + " bytes, and those in "
            + "use or pinned take " + std::to_string(mBytes) + " of peftCacheConfig.hostCacheSize, "
            + std::to_string(mMaxBytes));
    }
}

void AdapterCache::drop(Entries::iterator entry) {
    mBytes -= entry->bytes;
    mByTask.erase(entry->task);
    mEntries.erase(entry);
}

void AdapterCache::release(TaskId task) {
    std::lock_guard const lock(mMutex);
    mPinned.erase(task);
    if (auto const found = mByTask.find(task); found != mByTask.end()) {
        drop(found->second);
    }
}

void AdapterCache::pin(TaskId task, bool isPinned) {
    std::lock_guard const lock(mMutex);
    if (isPinned) {
        mPinned.insert(task);
    } else {
        mPinned.erase(task);
    }
}

} // namespace embedded
