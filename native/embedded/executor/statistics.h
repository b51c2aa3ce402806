/// The statistics that the API hands out: recorded by the engine thread, drained by any.
#pragma once

#include "tensorrt_llm/executor/types.h"

#include <deque>
#include <mutex>

namespace embedded {

/// Keeps the newest records of one kind, up to a bound, until they are taken. Thread-safe.
template <typename Record> class RecordRing {
public:
    /// @param maxRecords 0: nothing is kept
    explicit RecordRing(tensorrt_llm::executor::SizeType32 maxRecords)
        : mMaxRecords(static_cast<std::size_t>(maxRecords)) {}

    [[nodiscard]] bool isOn() const { return mMaxRecords > 0; }

    void add(Record record) {
        std::lock_guard const lock(mMutex);
        mRecords.push_back(std::move(record));
        while (mRecords.size() > mMaxRecords) {
            mRecords.pop_front();
        }
    }

    /// All records, oldest first; they are not kept.
    [[nodiscard]] std::deque<Record> take() {
        std::lock_guard const lock(mMutex);
        return std::exchange(mRecords, {});
    }

private:
    std::size_t mMaxRecords;
    std::mutex mMutex;
    std::deque<Record> mRecords;
};

} // namespace embedded
