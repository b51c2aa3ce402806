/// Runs the model for the requests that the scheduler chose: the only part of the engine that sees tensors.
#pragma once

#include "cache/blockPool.h"
#include "cache/encoderCache.h"
#include "executor/activeRequest.h"
#include "executor/engineLimits.h"
#include "executor/model.h"
#include "executor/tokenChooser.h"
#include "lora/adapterCache.h"
#include "model/decoder.h"
#include "model/encoder.h"

#include <memory>
#include <span>
#include <vector>

namespace embedded {

/// Owns the model, the memory of both caches and their block pools. Belongs to the engine thread.
class ModelRunner {
public:
    /// Prepares the weights; seconds for large models.
    /// @param encoder null: requests bring the encoder's output
    ModelRunner(texec::Model const* encoder, texec::Model const& decoder, EngineLimits const& limits,
        std::optional<texec::LogitsPostProcessorConfig> const& postProcessors);

    /// Fills the cross-attention cache of each request, by reuse where an equal input is there, else by one packed
    /// encoder pass; they stand at Stage::kCONTEXT afterwards. REQUIRES: blocks for all, reuse included.
    /// Rows of one adapter are joined where requests with it stand side by side.
    void encode(std::span<ActiveRequest* const> requests);

    /// One packed decoder step; appends the chosen tokens to each request or ends it.
    void decode(std::span<ActiveRequest* const> requests);

    /// After a failed step nothing that it may have left half written is reused.
    void forgetEncodedInputs() { mEncoderCache.clear(); }

    [[nodiscard]] BlockPool const& selfPool() const { return mSelfPool; }
    [[nodiscard]] BlockPool const& crossPool() const { return mCrossPool; }
    [[nodiscard]] EncoderCache& encoderCache() { return mEncoderCache; }
    [[nodiscard]] AdapterCache& adapterCache() { return mAdapterCache; }
    /// Memory reserved for one block of either cache.
    [[nodiscard]] std::size_t bytesPerBlock() const { return mSelfCache->bytesPerBlock(); }
    [[nodiscard]] SizeType32 numThreads() const { return mBackend->numThreads(); }
    /// absentEncoder() where none is loaded.
    [[nodiscard]] ModelConfig const& encoderConfig() const { return mEncoderConfig; }
    [[nodiscard]] ModelConfig const& decoderConfig() const { return mDecoderConfig; }

private:
    void attachReused(std::span<ActiveRequest* const> requests);
    void noteReuse(ActiveRequest& request);
    void fillOrReuse(ActiveRequest& request);
    [[nodiscard]] float const* encoderOutput();
    void keepEncoderOutput(ActiveRequest& request, float const* rows) const;
    void addRows(ActiveRequest& request);
    void addBeam(ActiveRequest const& request, std::size_t beam);
    void keepContextLogits(ActiveRequest& request, SizeType32 firstRow);
    void chooseTokens(std::span<ActiveRequest* const> requests);

    ModelConfig mEncoderConfig;
    ModelConfig mDecoderConfig;
    EngineLimits mLimits;
    std::unique_ptr<compute::Backend> mBackend;
    std::unique_ptr<compute::KvStore> mSelfCache;
    std::unique_ptr<compute::KvStore> mCrossCache;
    BlockPool mSelfPool;
    BlockPool mCrossPool;
    EncoderCache mEncoderCache;
    AdapterCache mAdapterCache;
    std::optional<Encoder> mEncoder;
    VectorPtr mFeatures; ///< [maxNumTokens, H] without encoder
    Decoder mDecoder;
    TokenChooser mChooser;

    // Scratch of one step, kept for its memory.
    DecoderBatch mBatch;
    std::vector<ActiveRequest*> mToEncode;
    std::vector<std::span<texec::TokenIdType const>> mEncoderInputs;
    std::vector<compute::KvSlot> mCrossSlots;
    std::vector<AdapterRows> mEncoderAdapters;
    std::vector<compute::BlockCopy> mCopies;
    std::vector<SizeType32> mLastRows;  ///< rows of the batch whose next token is to be chosen
    std::vector<SizeType32> mLogitRows; ///< those of one call
};

} // namespace embedded
