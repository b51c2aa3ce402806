/// Who runs next. Pure: knows neither tensor nor thread nor cache, only counts.
#pragma once

#include "tensorrt_llm/executor/types.h"

#include <cstddef>
#include <span>
#include <vector>

namespace embedded {

using tensorrt_llm::executor::CapacitySchedulerPolicy;
using tensorrt_llm::executor::SizeType32;

/// Where an active request stands before the step.
enum class Stage {
    kENCODER,    ///< waits for its encoder pass, holds no blocks
    kCONTEXT,    ///< cross-attention cache filled, decoder prompt not yet run
    kGENERATION, ///< one token a step
};

struct SchedulableRequest {
    Stage stage;
    SizeType32 encoderLength; ///< tokens
    SizeType32 stepTokens;    ///< decoder rows that its next decoder step feeds
    SizeType32 selfBlocks;    ///< most blocks that it holds at a time, from start to completion
    SizeType32 crossBlocks;   ///< blocks that it takes at the start; 0 once the encoder has run, or if an encoded input
                              ///< is shared
};

struct SchedulerLimits {
    CapacitySchedulerPolicy policy;
    SizeType32 maxBatchSize;       ///< requests started at a time
    SizeType32 maxNumTokens;       ///< decoder rows of one step
    SizeType32 encoderTokenBudget; ///< encoder rows of one step; a longer single input still runs, alone
};

struct AvailableBlocks {
    SizeType32 self;  ///< of the whole pool: what started requests hold is part of what is set aside for them
    SizeType32 cross; ///< free ones
};

/// Indices into the list of requests, in its order.
struct Schedule {
    std::vector<std::size_t> encode; ///< run the encoder, then belong to the decoder step as well
    std::vector<std::size_t> decode; ///< run the decoder, the newly encoded included
    bool waitsForBlocks = false;     ///< a request could not start for want of blocks
};

/// Chooses the next step.
///
/// Started requests (past kENCODER) run to completion, so their blocks are set aside first. Then waiting ones
/// start in order; the first that does not fit stops the search, so that nobody is overtaken for ever. STATIC_BATCH
/// starts new ones only when none is in progress.
/// @param requests by priority, then arrival
void schedule(std::span<SchedulableRequest const> requests, SchedulerLimits const& limits, AvailableBlocks available,
    Schedule& result);

} // namespace embedded
