#include "scheduler/scheduler.h"

namespace embedded {

namespace {

bool isStarted(SchedulableRequest const& request) {
    return request.stage != Stage::kENCODER;
}

/// Blocks that no started request has or will need.
AvailableBlocks unreserved(std::span<SchedulableRequest const> requests, AvailableBlocks available) {
    for (auto const& request : requests) {
        if (isStarted(request)) {
            available.self -= request.selfBlocks;
        }
    }
    return available;
}

SizeType32 countStarted(std::span<SchedulableRequest const> requests) {
    SizeType32 count = 0;
    for (auto const& request : requests) {
        count += isStarted(request) ? 1 : 0;
    }
    return count;
}

void chooseEncoder(std::span<SchedulableRequest const> requests, SchedulerLimits const& limits,
    AvailableBlocks available, Schedule& result) {
    auto& chosen = result.encode;
    SizeType32 numStarted = countStarted(requests);
    if (limits.policy == CapacitySchedulerPolicy::kSTATIC_BATCH && numStarted > 0) {
        return;
    }
    SizeType32 encoderTokens = 0;
    for (std::size_t i = 0; i < requests.size() && numStarted < limits.maxBatchSize; ++i) {
        auto const& request = requests[i];
        if (isStarted(request)) {
            continue;
        }
        result.waitsForBlocks = request.selfBlocks > available.self || request.crossBlocks > available.cross;
        bool const withinBudget =
            encoderTokens == 0 || encoderTokens + request.encoderLength <= limits.encoderTokenBudget;
        if (result.waitsForBlocks || !withinBudget) {
            return;
        }
        available.self -= request.selfBlocks;
        available.cross -= request.crossBlocks;
        encoderTokens += request.encoderLength;
        ++numStarted;
        chosen.push_back(i);
    }
}

void chooseDecoder(std::span<SchedulableRequest const> requests, SchedulerLimits const& limits,
    std::vector<std::size_t> const& encoded, std::vector<std::size_t>& chosen) {
    SizeType32 tokens = 0;
    auto nextEncoded = encoded.begin();
    for (std::size_t i = 0; i < requests.size(); ++i) {
        bool const justEncoded = nextEncoded != encoded.end() && *nextEncoded == i;
        nextEncoded += justEncoded ? 1 : 0;
        if (!isStarted(requests[i]) && !justEncoded) {
            continue;
        }
        if (tokens + requests[i].stepTokens > limits.maxNumTokens) {
            return;
        }
        tokens += requests[i].stepTokens;
        chosen.push_back(i);
    }
}

} // namespace

void schedule(std::span<SchedulableRequest const> requests, SchedulerLimits const& limits, AvailableBlocks available,
    Schedule& result) {
    result.encode.clear();
    result.decode.clear();
    result.waitsForBlocks = false;
    chooseEncoder(requests, limits, unreserved(requests, available), result);
    chooseDecoder(requests, limits, result.encode, result.decode);
}

} // namespace embedded
