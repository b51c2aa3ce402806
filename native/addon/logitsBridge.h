/// Brings the logits of one iteration to one JavaScript function and waits until it has changed them.
///
/// Rules:
/// 1. attach() and release() run on the JavaScript thread; process() on the runtime's thread; stop() on any.
/// 2. Nobody waits after stop(): it comes before every join of the runtime's thread, and process() returns at once
/// then.
/// 3. The two threads share nothing but a batch, which each holds by reference: one that process() has given up stays
///    whole while JavaScript is still busy with it.
/// 4. As in responsePump.h, the thread-safe function keeps this object alive until Node has finalised it, and the hook
///    that calls stop() must be registered after attach().
/// 5. A runtime may outlive the environment and holds this object too: release() lets go of all JavaScript values.
#pragma once

#include "napiSetup.h"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace trtllm_node {

/// RawLogitsBatch of lib/raw-response.ts.
struct LogitsBatch {
    std::vector<double> keys;                ///< [requests]
    std::vector<std::uint32_t> rowOffsets;   ///< [requests + 1] a row is a beam
    std::vector<std::uint32_t> tokenOffsets; ///< [rows + 1] into tokens
    std::vector<std::int32_t> tokens;        ///< generated so far
    std::vector<float> logits;               ///< [rows, vocabSize]
    std::size_t vocabSize = 0;

    void clear();
};

class LogitsBridge : public std::enable_shared_from_this<LogitsBridge> {
public:
    /// `onLogits(batch)` must not throw.
    void attach(Napi::Env env, Napi::Function const& onLogits);
    /// Whether JavaScript has changed the batch's logits; false after stop(), and the batch is JavaScript's then.
    [[nodiscard]] bool process(std::shared_ptr<LogitsBatch> const& batch);
    void stop();
    /// A second call does nothing. REQUIRES: stop().
    void release();

private:
    static void onWake(Napi::Env env, Napi::Function, LogitsBridge* bridge, void*);
    using WakeFunction = Napi::TypedThreadSafeFunction<LogitsBridge, void, onWake>;

    void serve(Napi::Env env);
    void call(Napi::Env env, LogitsBatch& batch);
    /// The reused array, at least as long as asked for.
    [[nodiscard]] Napi::ArrayBuffer buffer(Napi::Env env, std::size_t numBytes);
    void finish(std::shared_ptr<LogitsBatch> const& batch, bool processed);

    Napi::FunctionReference mOnLogits; ///< JavaScript thread only, as the three below
    Napi::Reference<Napi::ArrayBuffer> mBuffer;
    WakeFunction mWake;
    bool mAttached = false;

    std::mutex mMutex;
    std::condition_variable mChanged;
    std::shared_ptr<LogitsBatch> mBatch; ///< under mMutex, as all below; null: nobody waits
    bool mDone = false;
    bool mProcessed = false;
    bool mStopped = false;
};

} // namespace trtllm_node
