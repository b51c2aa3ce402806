/// The engine loop: one step takes every request as far as it goes in one iteration.
#pragma once

#include "executor/activeRequest.h"
#include "executor/engineLimits.h"
#include "executor/iterationRecorder.h"
#include "executor/model.h"
#include "executor/modelRunner.h"
#include "executor/requestQueue.h"
#include "executor/responseQueue.h"
#include "scheduler/scheduler.h"

#include <memory>
#include <mutex>
#include <vector>

namespace embedded {

/// Counts between two steps. Blocks kept for encoder reuse alone count as free.
struct EngineSnapshot {
    SizeType32 numActiveRequests = 0;
    SizeType32 usedSelfBlocks = 0;
    SizeType32 usedCrossBlocks = 0;
    SizeType32 retainedCrossBlocks = 0;
    std::uint64_t encoderReuseHits = 0;
    std::uint64_t encoderReuseMisses = 0;
    texec::IterationType iteration = 0;
};

/// Owns the active requests and leads them through the model. All methods but snapshot() and the statistics belong to
/// the engine thread.
class Engine {
public:
    /// @param encoder null: requests bring the encoder's output
    Engine(texec::Model const* encoder, texec::Model const& decoder, texec::ExecutorConfig const& config,
        RequestQueue& requests, ResponseQueue& responses);

    /// One iteration: fetch, schedule, encode, decode, sample, publish. Waits for a request if none is active.
    /// @returns false when the queue is closed and every active request has ended
    bool step();

    [[nodiscard]] EngineLimits const& limits() const { return mLimits; }
    [[nodiscard]] ModelRunner const& runner() const { return mRunner; }

    // Thread-safe.
    [[nodiscard]] AdapterCache& adapterCache() { return mRunner.adapterCache(); }
    [[nodiscard]] EngineSnapshot snapshot() const;
    [[nodiscard]] IterationRecorder& recorder() { return mRecorder; }

private:
    using ChosenRequests = std::vector<ActiveRequest*>;

    bool fetch();
    void admit(QueuedRequest const& queued);
    void cancelActive(texec::IdType id);
    void endOverdue();

    void run();
    void chooseNext();
    [[nodiscard]] SchedulableRequest schedulable(ActiveRequest const& request);
    void choose(std::span<std::size_t const> indices);
    void encode();
    void decode();

    /// For what ended or has news; the ended leave the list.
    void collectResponses();
    [[nodiscard]] texec::Response responseOf(ActiveRequest& request) const;
    void failGroup(ActiveRequest const& request, std::string const& message);
    void failActive(std::string const& message);
    void publish();
    void updateSnapshot();

    RequestPolicy mPolicy;
    RequestQueue& mRequests;
    ResponseQueue& mResponses;
    EngineLimits mLimits;
    SchedulerLimits mSchedulerLimits;
    ModelRunner mRunner;
    IterationRecorder mRecorder;

    /// In the order in which they were taken from the queue. Blocks go back to the pools when a request leaves.
    std::vector<std::unique_ptr<ActiveRequest>> mActive;
    std::vector<texec::Response> mOutbox; ///< for the next publish()

    // Scratch of one step, kept for its memory.
    std::vector<SchedulableRequest> mSchedulable;
    std::vector<ActiveRequest const*> mToBeEncoded; ///< waiting ones whose input no earlier one has
    Schedule mSchedule;
    ChosenRequests mChosen;

    mutable std::mutex mSnapshotMutex;
    EngineSnapshot mSnapshot;
};

} // namespace embedded
