#include "logitsBridge.h"

#include "typedArrays.h"

#include <cstring>
#include <utility>

namespace trtllm_node {

void LogitsBatch::clear() {
    keys.clear();
    rowOffsets.assign(1, 0);
    tokenOffsets.assign(1, 0);
    tokens.clear();
    logits.clear();
}

void LogitsBridge::attach(Napi::Env env, Napi::Function const& onLogits) {
    mOnLogits = Napi::Persistent(onLogits);
    mWake = WakeFunction::New(
        env, "trtllm-node logits", 0, 1, this, [keptAlive = shared_from_this()](Napi::Env, void*, LogitsBridge*) {});
    // The response pump keeps the event loop running while a request is in flight.
    mWake.Unref(env);
    mAttached = true;
}

bool LogitsBridge::process(std::shared_ptr<LogitsBatch> const& batch) {
    std::unique_lock lock(mMutex);
    if (mStopped) {
        return false;
    }
    mBatch = batch;
    mDone = false;
    mWake.NonBlockingCall();
    mChanged.wait(lock, [this] { return mDone || mStopped; });
    mBatch.reset();
    return mDone && mProcessed;
}

void LogitsBridge::stop() {
    {
        std::lock_guard const lock(mMutex);
        mStopped = true;
    }
    mChanged.notify_all();
}

void LogitsBridge::release() {
    if (std::exchange(mAttached, false)) {
        mOnLogits.Reset();
        mBuffer.Reset();
        mWake.Release();
    }
}

void LogitsBridge::onWake(Napi::Env env, Napi::Function, LogitsBridge* bridge, void*) {
    // Without an environment Node only empties the queue.
    if (env != nullptr) {
        bridge->serve(env);
    }
}

void LogitsBridge::serve(Napi::Env env) {
    std::shared_ptr<LogitsBatch> batch;
    {
        std::lock_guard const lock(mMutex);
        batch = mBatch;
    }
    if (!batch || !mAttached) {
        return;
    }
    try {
        call(env, *batch);
    } catch (...) {
        // The environment is being terminated.
        finish(batch, false);
        throw;
    }
    finish(batch, true);
}

void LogitsBridge::call(Napi::Env env, LogitsBatch& batch) {
    std::size_t const numBytes = batch.logits.size() * sizeof(float);
    Napi::ArrayBuffer memory = buffer(env, numBytes);
    std::memcpy(memory.Data(), batch.logits.data(), numBytes);
    auto const logits = Napi::Float32Array::New(env, batch.logits.size(), memory, 0);
    Napi::Object object = Napi::Object::New(env);
    object.Set("keys", toTypedArray(env, batch.keys));
    object.Set("rowOffsets", toTypedArray(env, batch.rowOffsets));
    object.Set("tokenOffsets", toTypedArray(env, batch.tokenOffsets));
    object.Set("tokens", toTypedArray(env, batch.tokens));
    object.Set("vocabSize", Napi::Number::New(env, static_cast<double>(batch.vocabSize)));
    object.Set("logits", logits);
    mOnLogits.Call({object});
    // A processor may have given the memory away; then JavaScript has failed the batch's requests.
    if (memory.ByteLength() >= numBytes) {
        std::memcpy(batch.logits.data(), memory.Data(), numBytes);
    }
}

Napi::ArrayBuffer LogitsBridge::buffer(Napi::Env env, std::size_t numBytes) {
    if (mBuffer.IsEmpty() || mBuffer.Value().ByteLength() < numBytes) {
        mBuffer = Napi::Reference<Napi::ArrayBuffer>::New(Napi::ArrayBuffer::New(env, numBytes), 1);
    }
    return mBuffer.Value();
}

void LogitsBridge::finish(std::shared_ptr<LogitsBatch> const& batch, bool processed) {
    {
        std::lock_guard const lock(mMutex);
        if (mBatch != batch) {
            return;
        }
        mDone = true;
        mProcessed = processed;
    }
    mChanged.notify_all();
}

} // namespace trtllm_node
