/// The engine loop: one step takes every request as far as it goes in one iteration.
#pragma once

#include "cache/blockPool.h"
#include "decoding/greedy.h"
#include "executor/activeRequest.h"
#include "executor/engineLimits.h"
#include "executor/model.h"
#include "executor/requestQueue.h"
#include "executor/responseQueue.h"
#include "model/decoder.h"
#include "model/encoder.h"
#include "scheduler/scheduler.h"

#include <memory>
#include <mutex>
#include <vector>

namespace embedded {

/// Counts between two steps.
struct EngineSnapshot {
    SizeType32 numActiveRequests = 0;
    SizeType32 usedSelfBlocks = 0;
    SizeType32 usedCrossBlocks = 0;
    texec::IterationType iteration = 0;
};

/// Owns the model, the caches and the active requests. All methods but snapshot() belong to the engine thread.
class Engine {
public:
    /// Prepares the weights; seconds for large models.
    Engine(texec::Model const& encoder, texec::Model const& decoder, texec::ExecutorConfig const& config,
        RequestQueue& requests, ResponseQueue& responses);

    /// One iteration: fetch, schedule, encode, decode, sample, publish. Waits for a request if none is active.
    /// @returns false when the queue is closed and every active request has ended
    bool step();

    [[nodiscard]] EngineLimits const& limits() const { return mLimits; }
    [[nodiscard]] SizeType32 encoderVocabSize() const { return mEncoderConfig.vocabSize; }
    [[nodiscard]] SizeType32 decoderVocabSize() const { return mDecoderConfig.vocabSize; }

    [[nodiscard]] SizeType32 numThreads() const { return mBackend->numThreads(); }

    /// Thread-safe.
    [[nodiscard]] EngineSnapshot snapshot() const;

private:
    bool fetch();
    void admit(QueuedRequest const& queued);
    void cancelActive(texec::IdType id);
    void endOverdue();

    void run();
    void chooseNext();
    void encode();
    void keepEncoderOutput(ActiveRequest& request, float const* rows) const;
    void decode();
    void addRows(ActiveRequest& request);
    void sample(float const* logits);
    void accept(ActiveRequest& request, Choice const& choice) const;

    /// For what ended or has news; the ended leave the list.
    void collectResponses();
    [[nodiscard]] texec::Response responseOf(ActiveRequest& request) const;
    void failActive(std::string const& message);
    void publish();
    void updateSnapshot();

    ModelConfig mEncoderConfig;
    ModelConfig mDecoderConfig;
    bool mNormalizeLogProbs;
    bool mGatherGenerationLogits;
    RequestQueue& mRequests;
    ResponseQueue& mResponses;

    std::unique_ptr<compute::Backend> mBackend;
    EngineLimits mLimits;
    SchedulerLimits mSchedulerLimits;
    std::unique_ptr<compute::KvStore> mSelfCache;
    std::unique_ptr<compute::KvStore> mCrossCache;
    BlockPool mSelfPool;
    BlockPool mCrossPool;
    Encoder mEncoder;
    Decoder mDecoder;
    GreedySampler mSampler;

    /// By priority, then arrival. Blocks go back to the pools when a request leaves the list.
    std::vector<std::unique_ptr<ActiveRequest>> mActive;
    std::vector<texec::Response> mOutbox; ///< for the next publish()

    // Scratch of one step, kept for its memory.
    std::vector<SchedulableRequest> mSchedulable;
    Schedule mSchedule;
    DecoderBatch mBatch;
    std::vector<std::span<texec::TokenIdType const>> mEncoderInputs;
    std::vector<compute::KvSlot> mCrossSlots;
    std::vector<bool> mWantsLogProb;

    mutable std::mutex mSnapshotMutex;
    EngineSnapshot mSnapshot;
};

} // namespace embedded
