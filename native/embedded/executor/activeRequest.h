/// A request from the moment it is taken from the queue until its last response.
#pragma once

#include "cache/encodedInput.h"
#include "cache/sequenceBlocks.h"
#include "decoding/greedy.h"
#include "executor/engineLimits.h"
#include "scheduler/scheduler.h"

#include "tensorrt_llm/executor/executor.h"

#include <chrono>
#include <optional>
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

struct ActiveRequest {
    using Clock = std::chrono::steady_clock;

    /// REQUIRES: the request passed validateRequest().
    ActiveRequest(
        texec::IdType id, texec::Request const& request, EngineLimits const& limits, Clock::time_point arrival);

    [[nodiscard]] SizeType32 encoderLength() const { return static_cast<SizeType32>(encoderTokens.size()); }
    [[nodiscard]] SizeType32 numGenerated() const { return static_cast<SizeType32>(tokens.size()) - promptLength; }
    [[nodiscard]] bool isFinished() const { return finishReason != texec::FinishReason::kNOT_FINISHED; }
    [[nodiscard]] bool isOverdue(Clock::time_point now) const { return deadline && now >= *deadline; }

    /// Decoder rows of the next step: the whole prompt, then one token at a time.
    [[nodiscard]] SizeType32 stepTokens() const { return stage == Stage::kGENERATION ? 1 : promptLength; }

    /// 1 but for the step that drew the end id, as there is no speculative decoding; 0 before the first step.
    [[nodiscard]] float avgDecodedTokensPerIter() const;

    [[nodiscard]] BlockUse blockUse() const;

    /// What the scheduler sees if no encoded input is reused.
    [[nodiscard]] SchedulableRequest schedulable(SizeType32 tokensPerBlock) const;

    /// Whether it may share the encoder pass of an equal input. The encoder's output itself is not kept for reuse.
    [[nodiscard]] bool mayReuse() const { return !output.returnEncoderOutput; }

    /// Takes the token that a decoder step chose.
    void accept(Choice const& choice);

    /// Ends the request before its time; its last response brings what it has generated.
    void endEarly(texec::FinishReason reason) { finishReason = reason; }

    texec::IdType id;
    std::optional<texec::IdType> clientId;
    texec::PriorityType priority;
    bool streaming;
    bool returnAllGeneratedTokens;
    texec::OutputConfig output;
    texec::TokenIdType endId; ///< -1: none
    SizeType32 maxNewTokens;  ///< clamped to the longest sequence
    SizeType32 promptLength;
    std::optional<Clock::time_point> deadline;

    Stage stage = Stage::kENCODER;
    texec::VecTokens encoderTokens;
    texec::VecTokens tokens; ///< decoder prompt and generated tokens
    std::optional<SequenceBlocks> self;
    EncodedInputPtr encoded;    ///< set by the encoder step
    bool reusedEncoder = false; ///< another request's encoder pass filled it

    texec::VecLogProbs logProbs; ///< of the generated tokens
    float cumLogProb = 0.0F;     ///< the end id's step included
    std::optional<texec::Tensor> encoderOutput;
    std::vector<float> generationLogits; ///< rows of the steps that no response has delivered yet
    SizeType32 numDelivered = 0;         ///< generated tokens that a streaming response has carried
    SizeType32 decodingIter = 0;
    RequestTimes times{};
    texec::IterationType firstIter = 0; ///< of its encoder pass
    texec::FinishReason finishReason = texec::FinishReason::kNOT_FINISHED;
};

/// Checks what the API checks when it takes a request from the queue, and what this runtime does not do.
/// @returns the error message, "[ERR_…] field must …, got …", or nothing
[[nodiscard]] std::optional<std::string> validateRequest(texec::Request const& request, EngineLimits const& limits,
    SizeType32 encoderVocabSize, SizeType32 decoderVocabSize, bool gatherGenerationLogits);

/// A request that needs more blocks than a pool has would wait for ever.
/// @returns the error message, or nothing
[[nodiscard]] std::optional<std::string> checkFits(ActiveRequest const& request, EngineLimits const& limits);

} // namespace embedded
