/// The adapters that requests may name by their task id alone.
#pragma once

#include "lora/adapter.h"

#include "tensorrt_llm/executor/executor.h"

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>

namespace embedded {

using AdapterPtr = std::shared_ptr<Adapter const>;

/// Keeps adapters up to a number of bytes; the least recently used that no request holds goes first. An adapter is in
/// use while somebody else holds its pointer.
///
/// acquire() belongs to the engine thread; release() and pin() may come from any thread.
class AdapterCache {
public:
    using TaskId = tensorrt_llm::executor::IdType;

    /// @param maxBytes of the values of all adapters together
    AdapterCache(LoraTarget const& target, std::size_t maxBytes, compute::Backend& backend);

    /// The adapter of a task, prepared from the request's weights if it is not there. Weights of a task that is there
    /// are not read.
    /// @throws TllmException [ERR_LORA_NOT_FOUND] neither there nor given, [ERR_LORA_CACHE_FULL] no room beside those
    /// in use and pinned, [ERR_LORA_INVALID], [ERR_UNSUPPORTED]
    [[nodiscard]] AdapterPtr acquire(tensorrt_llm::executor::LoraConfig const& config);

    /// Forgets an adapter and its pin; requests that use it keep it until they end.
    void release(TaskId task);

    /// Whether an adapter stays although nobody uses it; also for one that is not there yet.
    void pin(TaskId task, bool isPinned);

private:
    struct Entry {
        TaskId task;
        std::size_t bytes;
        AdapterPtr adapter;
    };
    using Entries = std::list<Entry>;

    /// Counts as a use.
    [[nodiscard]] AdapterPtr find(TaskId task);
    void makeRoom(std::size_t bytes);
    void drop(Entries::iterator entry);

    LoraTarget mTarget;
    std::size_t mMaxBytes;
    compute::Backend& mBackend;
    std::uint64_t mNumPrepared = 0;

    std::mutex mMutex; ///< guards what follows
    Entries mEntries;  ///< most recently used first
    std::unordered_map<TaskId, Entries::iterator> mByTask;
    std::set<TaskId> mPinned;
    std::size_t mBytes = 0;
};

} // namespace embedded
