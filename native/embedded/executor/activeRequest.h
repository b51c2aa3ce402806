/// One sequence of a request (all beams together) from the moment the request is taken from the queue until its last
/// response.
#pragma once

#include "cache/encodedInput.h"
#include "cache/sequenceBlocks.h"
#include "decoding/beamSearch.h"
#include "decoding/sampler.h"
#include "executor/engineLimits.h"
#include "executor/requestQueue.h"
#include "lora/adapterCache.h"
#include "scheduler/scheduler.h"

#include "tensorrt_llm/executor/executor.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace embedded {

namespace texec = tensorrt_llm::executor;

/// When a request reached each stage; a stage that it has not reached has the clock's epoch.
struct RequestTimes {
    using Point = std::chrono::steady_clock::time_point;
    Point arrival;        ///< enqueued
    Point firstScheduled; ///< chosen for its encoder pass
    Point encoded;        ///< cross-attention cache filled
    Point firstToken;
    Point lastToken;
};

/// Cache blocks that a request holds, of both pools together.
struct BlockUse {
    SizeType32 total;
    SizeType32 reused; ///< found filled by another request's encoder pass
    [[nodiscard]] SizeType32 filled() const { return total - reused; }
    [[nodiscard]] float hitRate() const {
        return total == 0 ? 0.0F : static_cast<float>(reused) / static_cast<float>(total);
    }
};

/// What the executor's configuration says about every request.
struct RequestPolicy {
    bool normalizeLogProbs;
    bool gatherGenerationLogits;
    bool hasBatchedPostProcessor;
};

/// The samples of one request (numReturnSequences without beams); a request of its own for everybody but the caller.
struct SequenceGroup {
    texec::IdType id; ///< of the request
    SizeType32 numUnfinished;
    bool failed = false; ///< its error response has been given
};

struct ActiveRequest {
    using Clock = std::chrono::steady_clock;

    /// REQUIRES: the request passed validateRequest().
    /// @param loraAdapter of the request's LoRA task; null: none
    ActiveRequest(std::shared_ptr<SequenceGroup> group, SizeType32 sequenceIndex, QueuedRequest const& queued,
        AdapterPtr loraAdapter, EngineLimits const& limits, RequestPolicy const& policy);
    ActiveRequest(ActiveRequest const&) = delete;
    ActiveRequest& operator=(ActiveRequest const&) = delete;

    [[nodiscard]] SizeType32 encoderLength() const {
        return encoderFeatures ? static_cast<SizeType32>(encoderFeatures->getShape()[0])
                               : static_cast<SizeType32>(encoderInput.tokens.size());
    }
    [[nodiscard]] SizeType32 promptLength() const { return decoding.promptLength; }
    [[nodiscard]] SizeType32 maxNewTokens() const { return decoding.maxNewTokens; }
    /// Tokens of the longest beam.
    [[nodiscard]] SizeType32 numGenerated() const;
    [[nodiscard]] bool isFinished() const { return finishReason != texec::FinishReason::kNOT_FINISHED; }
    [[nodiscard]] bool hasNews() const { return numGenerated() > numDelivered; }
    [[nodiscard]] bool isOverdue(Clock::time_point now) const { return deadline && now >= *deadline; }

    /// Decoder rows of the next step: the whole prompt, then one token of each beam.
    [[nodiscard]] SizeType32 stepTokens() const;

    /// 1 but for the step that drew the end id, as there is no speculative decoding; 0 before the first step.
    [[nodiscard]] float avgDecodedTokensPerIter() const;

    [[nodiscard]] BlockUse blockUse() const;

    /// The mask of the decoder token at this position over the encoder's, or null. Tokens past the last row have it
    /// too.
    [[nodiscard]] bool const* maskAt(SizeType32 position) const;

    /// What the scheduler sees if no encoded input is reused.
    [[nodiscard]] SchedulableRequest schedulable(SizeType32 tokensPerBlock) const;

    /// Whether it may share the encoder pass of an equal input. The encoder's output itself is not kept for reuse.
    [[nodiscard]] bool mayReuse() const { return !output.returnEncoderOutput && !encoderFeatures; }

    /// Takes the token that a decoder step chose. Without beams.
    void accept(Choice const& choice);

    /// Takes the best candidates of each live beam, numCandidates each. With beams.
    void advance(std::span<compute::Candidate const> candidates);

    /// Ends the request before its time; its last response brings what it has generated.
    void endEarly(texec::FinishReason reason);

    std::shared_ptr<SequenceGroup> group;
    SizeType32 sequenceIndex;
    texec::IdType id; ///< of this sequence: the request's, or one that follows it
    std::optional<texec::IdType> clientId;
    texec::PriorityType priority;
    bool streaming;
    bool returnAllGeneratedTokens;
    texec::OutputConfig output;
    std::optional<texec::LogitsPostProcessor> postProcessor;
    std::optional<std::string> postProcessorName;
    DecodingParams decoding;
    std::optional<Clock::time_point> deadline;

    Stage stage = Stage::kENCODER;
    EncoderInput encoderInput;
    std::optional<texec::Tensor> encoderFeatures; ///< the encoder's output [tokens, H], where no encoder is loaded
    AdapterPtr adapter;                           ///< null: none
    std::vector<Beam> beams;                      ///< live ones; one before the first step
    std::vector<SequenceBlocks> self;             ///< of each beam; empty before the encoder step
    Sampler sampler;                              ///< without beams
    std::optional<BeamSearch> search;             ///< with beams
    std::optional<texec::Tensor> crossAttentionMask;
    EncodedInputPtr encoded;    ///< set by the encoder step
    bool reusedEncoder = false; ///< another request's encoder pass filled it

    std::optional<texec::Tensor> encoderOutput;
    std::optional<texec::Tensor> contextLogits;
    std::vector<std::vector<float>> generationLogits; ///< of each step [beams * V]
    SizeType32 numDelivered = 0;                      ///< generated tokens that a streaming response has carried
    SizeType32 decodingIter = 0;
    RequestTimes times{};
    texec::IterationType firstIter = 0; ///< of its encoder pass
    texec::FinishReason finishReason = texec::FinishReason::kNOT_FINISHED;
    std::optional<std::string> error; ///< of a post-processor: ends the request

private:
    void noteStep();
    void followParents(std::span<SizeType32 const> parents);
};

/// Places among the active requests: one for each sample without beams, one for all beams.
[[nodiscard]] SizeType32 numSequences(texec::Request const& request);

/// Checks what the API checks when it takes a request from the queue, and what this runtime does not do.
/// @returns the error message, "[ERR_…] field must …, got …", or nothing
[[nodiscard]] std::optional<std::string> validateRequest(texec::Request const& request, EngineLimits const& limits,
    ModelConfig const& encoder, ModelConfig const& decoder, RequestPolicy const& policy);

/// A request that needs more blocks than a pool has would wait for ever.
/// @returns the error message, or nothing
[[nodiscard]] std::optional<std::string> checkFits(ActiveRequest const& request, EngineLimits const& limits);

} // namespace embedded
