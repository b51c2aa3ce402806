/// Turns the state of a request into the Result that the API documents.
#pragma once

#include "executor/activeRequest.h"
#include "executor/requestQueue.h"

namespace embedded {

/// A streaming request's response carries what is new since the last one, and marks it as delivered. With beams it
/// carries the best hypotheses so far.
[[nodiscard]] texec::Response buildResponse(
    ActiveRequest& request, SizeType32 vocabSize, texec::IterationType iteration);

/// The response of a request that was cancelled before it started.
[[nodiscard]] texec::Response cancelledResponse(QueuedRequest const& queued);

} // namespace embedded
