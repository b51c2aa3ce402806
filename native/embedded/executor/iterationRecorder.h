/// What one iteration of the engine did, in the terms of the API's statistics.
#pragma once

#include "executor/activeRequest.h"
#include "executor/engineLimits.h"
#include "executor/modelRunner.h"
#include "executor/requestQueue.h"
#include "executor/statistics.h"
#include "scheduler/scheduler.h"

#include "tensorrt_llm/executor/executor.h"

#include <memory>
#include <span>
#include <vector>

namespace embedded {

/// Gathers during a step and records at its end. The gathering belongs to the engine thread, the rings to all.
class IterationRecorder {
public:
    using Active = std::vector<std::unique_ptr<ActiveRequest>>;

    IterationRecorder(texec::ExecutorConfig const& config, EngineLimits const& limits);

    void begin();
    /// A request was taken from the queue, where it had waited since `arrival`.
    void becameActive(RequestTimes::Point arrival);
    /// The decoder ran these; called before the step, so that prompts still count as context.
    void scheduled(std::span<ActiveRequest* const> requests);
    void completed(SizeType32 count) { mIteration.numCompletedRequests += count; }
    /// Call while the requests that ended in this step are still listed.
    void requests(Active const& active, RequestQueue const& queue);
    void end(SizeType32 numActive, SizeType32 numQueued, ModelRunner& runner);

    [[nodiscard]] texec::IterationType iteration() const { return mIteration.iter; }
    [[nodiscard]] RecordRing<texec::IterationStats>& iterations() { return mIterations; }
    [[nodiscard]] RecordRing<texec::RequestStatsPerIteration>& requestIterations() { return mRequestIterations; }

private:
    EngineLimits mLimits;
    RecordRing<texec::IterationStats> mIterations;
    RecordRing<texec::RequestStatsPerIteration> mRequestIterations;
    texec::IterationStats mIteration{};
    RequestTimes::Point mStart;
    std::vector<texec::IdType> mScheduledIds;
};

} // namespace embedded
