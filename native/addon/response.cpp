#include "response.h"

#include "errors.h"
#include "runtimeExtension.h"
#include "tensors.h"
#include "typedArrays.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <utility>

namespace tle = tensorrt_llm::executor;

namespace trtllm_node {
namespace {

// RawResponseFlag
constexpr std::uint8_t kFINAL = 1;
constexpr std::uint8_t kSEQUENCE_FINAL = 2;
constexpr std::uint8_t kERROR = 4;

constexpr std::size_t kTIMINGS = 7;
constexpr std::int32_t kUNKNOWN = -1;
constexpr double kNAN = std::numeric_limits<double>::quiet_NaN();

template <typename T> void extend(std::vector<T>& all, std::vector<T> const& more) {
    all.insert(all.end(), more.begin(), more.end());
}

template <typename T> std::uint32_t endOf(std::vector<T> const& values) {
    return static_cast<std::uint32_t>(values.size());
}

Napi::Value toArray(Napi::Env env, std::vector<std::string> const& texts) {
    Napi::Array array = Napi::Array::New(env, texts.size());
    for (std::uint32_t i = 0; i < texts.size(); ++i) {
        array.Set(i, texts[i]);
    }
    return array;
}

/// A copy of its own part: JavaScript must not hold the memory of a whole batch.
Napi::Value toFloat32Array(Napi::Env env, NamedTensor const& named) {
    std::size_t size = 1;
    for (auto const length : named.shape) {
        size *= length;
    }
    auto const values = floatsOf(named.tensor).subspan(named.offset, size);
    auto array = Napi::Float32Array::New(env, size);
    std::copy(values.begin(), values.end(), array.Data());
    return array;
}

Napi::Array toShape(Napi::Env env, std::vector<std::uint32_t> const& lengths) {
    Napi::Array shape = Napi::Array::New(env, lengths.size());
    for (std::uint32_t i = 0; i < lengths.size(); ++i) {
        shape.Set(i, lengths[i]);
    }
    return shape;
}

std::uint8_t flagsOf(tle::Result const& result) {
    return static_cast<std::uint8_t>((result.isFinal ? kFINAL : 0) | (result.isSequenceFinal ? kSEQUENCE_FINAL : 0));
}

std::uint8_t reasonOf(tle::Result const& result, std::size_t row) {
    auto const reason =
        row < result.finishReasons.size() ? result.finishReasons[row] : tle::FinishReason::kNOT_FINISHED;
    return static_cast<std::uint8_t>(reason);
}

} // namespace

bool isLast(tle::Response const& response) {
    return response.hasError() || response.getResult().isFinal;
}

void PackedResponses::append(
    tle::IdType id, tle::Response const& response, ResponseExtract extract, bool bringsNewTokens) {
    if (response.hasError() || !extract.failure.empty()) {
        appendError(id, response.hasError() ? toErrorMessage(response.getErrorMsg()) : std::move(extract.failure));
        return;
    }
    tle::Result const& result = response.getResult();
    bool const isPlain = extract.scores.empty() && extract.tensors.empty() && !result.logProbs;
    if (bringsNewTokens && isPlain && continuesLast(id, result)) {
        merge(response);
        return;
    }
    if (extract.scores.empty()) {
        appendResult(result);
    } else {
        appendScores(extract.scores);
    }
    appendTensors(std::move(extract.tensors));
    appendTimings(response);
    mStable.push_back(stableBeamPrefix(response).value_or(kUNKNOWN));
    appendHead(id, flagsOf(result), result.sequenceIndex);
}

bool PackedResponses::continuesLast(tle::IdType id, tle::Result const& result) const {
    return !mIds.empty() && mIds.back() == static_cast<double>(id)
        && mSequenceIndices.back() == static_cast<std::uint32_t>(result.sequenceIndex);
}

void PackedResponses::merge(tle::Response const& response) {
    tle::Result const& result = response.getResult();
    extend(mTokens, result.outputTokenIds.front());
    mTokenOffsets.back() = endOf(mTokens);
    mFinishReasons.back() = reasonOf(result, 0);
    mFlags.back() = flagsOf(result);
    mTimings.resize(mTimings.size() - kTIMINGS);
    appendTimings(response);
}

void PackedResponses::appendError(tle::IdType id, std::string message) {
    mErrors.push_back(std::move(message));
    mTimings.insert(mTimings.end(), kTIMINGS, kNAN);
    mStable.push_back(kUNKNOWN);
    appendHead(id, kFINAL | kSEQUENCE_FINAL | kERROR, 0);
}

/// Milliseconds from the arrival to the start, the end of the encoder pass, the first and the last token; iterations of
/// the request's decoder, and the numbers of the first and the last that ran it.
void PackedResponses::appendTimings(tle::Response const& response) {
    auto const& metrics = response.getResult().requestPerfMetrics;
    double const decodingIter = response.getResult().decodingIter;
    if (!metrics) {
        mTimings.insert(mTimings.end(), {kNAN, kNAN, kNAN, kNAN, decodingIter, kNAN, kNAN});
        return;
    }
    auto const& times = metrics->timingMetrics;
    using TimePoint = tle::RequestPerfMetrics::TimePoint;
    for (auto const time : {times.firstScheduledTime, encodedTime(response).value_or(TimePoint{}), times.firstTokenTime,
             times.lastTokenTime}) {
        // A stage that was not reached has no time.
        bool const isReached = time >= times.arrivalTime;
        mTimings.push_back(
            isReached ? std::chrono::duration<double, std::milli>(time - times.arrivalTime).count() : kNAN);
    }
    auto const number = [](std::optional<tle::IterationType> iter) { return iter ? static_cast<double>(*iter) : kNAN; };
    mTimings.insert(mTimings.end(), {decodingIter, number(metrics->firstIter), number(metrics->lastIter)});
}

void PackedResponses::appendHead(tle::IdType id, std::uint8_t flags, tle::SizeType32 index) {
    mIds.push_back(static_cast<double>(id));
    mFlags.push_back(flags);
    mSequenceIndices.push_back(static_cast<std::uint32_t>(index));
    mRowOffsets.push_back(endOf(mFinishReasons));
}

void PackedResponses::appendResult(tle::Result const& result) {
    for (std::size_t row = 0; row < result.outputTokenIds.size(); ++row) {
        appendRow(result, row);
    }
}

void PackedResponses::appendRow(tle::Result const& result, std::size_t row) {
    mFinishReasons.push_back(reasonOf(result, row));
    extend(mTokens, result.outputTokenIds[row]);
    mTokenOffsets.push_back(endOf(mTokens));
    if (result.logProbs && row < result.logProbs->size()) {
        extend(mLogProbs, (*result.logProbs)[row]);
    }
    mLogProbOffsets.push_back(endOf(mLogProbs));
    bool const hasCumLogProb = result.cumLogProbs && row < result.cumLogProbs->size();
    mCumLogProbs.push_back(hasCumLogProb ? (*result.cumLogProbs)[row] : std::numeric_limits<float>::quiet_NaN());
}

/// A row without tokens, whose log-probabilities are the scores.
void PackedResponses::appendScores(std::vector<float> const& scores) {
    mFinishReasons.push_back(static_cast<std::uint8_t>(tle::FinishReason::kLENGTH));
    mTokenOffsets.push_back(endOf(mTokens));
    extend(mLogProbs, scores);
    mLogProbOffsets.push_back(endOf(mLogProbs));
    mCumLogProbs.push_back(std::numeric_limits<float>::quiet_NaN());
}

void PackedResponses::appendTensors(std::vector<NamedTensor> tensors) {
    auto const response = endOf(mIds);
    for (NamedTensor& tensor : tensors) {
        mTensors.push_back({response, std::move(tensor)});
    }
}

Napi::Value PackedResponses::tensorsToJs(Napi::Env env) const {
    Napi::Array array = Napi::Array::New(env, mTensors.size());
    for (std::uint32_t i = 0; i < mTensors.size(); ++i) {
        auto const& [response, named] = mTensors[i];
        Napi::Object object = Napi::Object::New(env);
        object.Set("response", response);
        object.Set("beam", named.beam);
        object.Set("name", named.name);
        object.Set("shape", toShape(env, named.shape));
        object.Set("data", toFloat32Array(env, named));
        array.Set(i, object);
    }
    return array;
}

Napi::Object PackedResponses::toJs(Napi::Env env) const {
    Napi::Object batch = Napi::Object::New(env);
    batch.Set("ids", toTypedArray(env, mIds));
    batch.Set("flags", toTypedArray(env, mFlags));
    batch.Set("sequenceIndices", toTypedArray(env, mSequenceIndices));
    batch.Set("rowOffsets", toTypedArray(env, mRowOffsets));
    batch.Set("finishReasons", toTypedArray(env, mFinishReasons));
    batch.Set("tokenOffsets", toTypedArray(env, mTokenOffsets));
    batch.Set("tokens", toTypedArray(env, mTokens));
    batch.Set("logProbOffsets", toTypedArray(env, mLogProbOffsets));
    batch.Set("logProbs", toTypedArray(env, mLogProbs));
    batch.Set("cumLogProbs", toTypedArray(env, mCumLogProbs));
    batch.Set("timings", toTypedArray(env, mTimings));
    batch.Set("stable", toTypedArray(env, mStable));
    batch.Set("errors", toArray(env, mErrors));
    batch.Set("tensors", tensorsToJs(env));
    return batch;
}

} // namespace trtllm_node
