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
    SizeType32 selfBlocks;    ///< blocks that it still takes until completion
    SizeType32 crossBlocks;   ///< likewise; 0 once the encoder has run, or if an encoded input is shared
};

struct SchedulerLimits {
    CapacitySchedulerPolicy policy;
    SizeType32 maxBatchSize;       ///< requests started at a time
    SizeType32 maxNumTokens;       ///< decoder rows of one step
    SizeType32 encoderTokenBudget; ///< encoder rows of one step; a longer single input still runs, alone
};

struct FreeBlocks {
    SizeType32 self;
    SizeType32 cross;
};

/// Indices into the list of requests, in its order.
struct Schedule {
    std::vector<std::size_t> encode; ///< run the encoder, then belong to the decoder step as well
    std::vector<std::size_t> decode; ///< run the decoder, the newly encoded included
    bool waitsForBlocks = false;     ///< a request could not start for want of blocks
};

/// Chooses the next step.
///
/// Started requests (past kENCODER) run to completion, so their remaining blocks are set aside first. Then waiting ones
/// start in order; the first that does not fit stops the search, so that nobody is overtaken for ever. STATIC_BATCH
/// starts new ones only when none is in progress.
/// @param requests by priority, then arrival
void schedule(
    std::span<SchedulableRequest const> requests, SchedulerLimits const& limits, FreeBlocks free, Schedule& result);

} // namespace embedded
