#include "report.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>

namespace tle = tensorrt_llm::executor;

namespace trtllm_node {
namespace {

// Declared first: templates find what they call at their definition.
Napi::Value toJs(Napi::Env env, tle::KvCacheStats const& stats);
Napi::Value toJs(Napi::Env env, tle::InflightBatchingStats const& stats);
Napi::Value toJs(Napi::Env env, tle::IterationStats const& stats);
Napi::Value toJs(Napi::Env env, tle::RequestStats const& stats);
Napi::Value toJs(Napi::Env env, tle::RequestStatsPerIteration const& stats);

Napi::Value toJs(Napi::Env env, std::string const& text) {
    return Napi::String::New(env, text);
}

Napi::Value toJs(Napi::Env env, bool value) {
    return Napi::Boolean::New(env, value);
}

template <typename T>
requires std::is_arithmetic_v<T> Napi::Value toJs(Napi::Env env, T number) {
    return Napi::Number::New(env, static_cast<double>(number));
}

/// In the order of RequestStage.
Napi::Value toJs(Napi::Env env, tle::RequestStage stage) {
    constexpr std::array kNAMES{
        "queued", "encoder-in-progress", "context-in-progress", "generation-in-progress", "generation-complete"};
    auto const index = static_cast<std::size_t>(stage);
    return Napi::String::New(env, index < kNAMES.size() ? kNAMES[index] : "unknown");
}

/// Optional statistics that are absent leave their key out.
template <typename T> struct Member {
    char const* name;
    T const& value;

    void write(Napi::Object& object) const {
        if constexpr (requires { value.has_value(); }) {
            if (value) {
                object.Set(name, toJs(object.Env(), *value));
            }
        } else {
            object.Set(name, toJs(object.Env(), value));
        }
    }
};

template <typename T> Member(char const*, T const&) -> Member<T>;

template <typename... Members> Napi::Object makeObject(Napi::Env env, Members const&... members) {
    Napi::Object object = Napi::Object::New(env);
    (members.write(object), ...);
    return object;
}

Napi::Value toJs(Napi::Env env, tle::KvCacheStats const& stats) {
    return makeObject(env, Member{"maxNumBlocks", stats.maxNumBlocks}, Member{"freeNumBlocks", stats.freeNumBlocks},
        Member{"usedNumBlocks", stats.usedNumBlocks}, Member{"tokensPerBlock", stats.tokensPerBlock},
        Member{"allocTotalBlocks", stats.allocTotalBlocks}, Member{"allocNewBlocks", stats.allocNewBlocks},
        Member{"reusedBlocks", stats.reusedBlocks}, Member{"missedBlocks", stats.missedBlocks},
        Member{"cacheHitRate", stats.cacheHitRate});
}

Napi::Value toJs(Napi::Env env, tle::InflightBatchingStats const& stats) {
    return makeObject(env, Member{"numScheduledRequests", stats.numScheduledRequests},
        Member{"numContextRequests", stats.numContextRequests}, Member{"numGenRequests", stats.numGenRequests},
        Member{"numPausedRequests", stats.numPausedRequests}, Member{"numCtxTokens", stats.numCtxTokens},
        Member{"microBatchId", stats.microBatchId},
        Member{"avgNumDecodedTokensPerIter", stats.avgNumDecodedTokensPerIter});
}

Napi::Value toJs(Napi::Env env, tle::IterationStats const& stats) {
    return makeObject(env, Member{"timestamp", stats.timestamp}, Member{"iter", stats.iter},
        Member{"iterLatencyMS", stats.iterLatencyMS},
        Member{"newActiveRequestsQueueLatencyMS", stats.newActiveRequestsQueueLatencyMS},
        Member{"numNewActiveRequests", stats.numNewActiveRequests},
        Member{"numActiveRequests", stats.numActiveRequests}, Member{"numQueuedRequests", stats.numQueuedRequests},
        Member{"numCompletedRequests", stats.numCompletedRequests},
        Member{"maxNumActiveRequests", stats.maxNumActiveRequests},
        Member{"maxBatchSizeStatic", stats.maxBatchSizeStatic},
        Member{"maxBatchSizeTunerRecommended", stats.maxBatchSizeTunerRecommended},
        Member{"maxBatchSizeRuntime", stats.maxBatchSizeRuntime},
        Member{"maxNumTokensStatic", stats.maxNumTokensStatic},
        Member{"maxNumTokensTunerRecommended", stats.maxNumTokensTunerRecommended},
        Member{"maxNumTokensRuntime", stats.maxNumTokensRuntime}, Member{"gpuMemUsage", stats.gpuMemUsage},
        Member{"cpuMemUsage", stats.cpuMemUsage}, Member{"pinnedMemUsage", stats.pinnedMemUsage},
        Member{"kvCacheStats", stats.kvCacheStats}, Member{"crossKvCacheStats", stats.crossKvCacheStats},
        Member{"inflightBatchingStats", stats.inflightBatchingStats});
}

Napi::Value toJs(Napi::Env env, tle::RequestStats const& stats) {
    return makeObject(env, Member{"id", stats.id}, Member{"stage", stats.stage},
        Member{"contextPrefillPosition", stats.contextPrefillPosition},
        Member{"numGeneratedTokens", stats.numGeneratedTokens},
        Member{"avgNumDecodedTokensPerIter", stats.avgNumDecodedTokensPerIter}, Member{"scheduled", stats.scheduled},
        Member{"paused", stats.paused}, Member{"allocTotalBlocksPerRequest", stats.allocTotalBlocksPerRequest},
        Member{"allocNewBlocksPerRequest", stats.allocNewBlocksPerRequest},
        Member{"reusedBlocksPerRequest", stats.reusedBlocksPerRequest},
        Member{"missedBlocksPerRequest", stats.missedBlocksPerRequest},
        Member{"kvCacheHitRatePerRequest", stats.kvCacheHitRatePerRequest});
}

template <typename Records> Napi::Array toArray(Napi::Env env, Records const& records) {
    Napi::Array array = Napi::Array::New(env, records.size());
    std::uint32_t index = 0;
    for (auto const& record : records) {
        array.Set(index++, toJs(env, record));
    }
    return array;
}

Napi::Value toJs(Napi::Env env, tle::RequestStatsPerIteration const& stats) {
    Napi::Object object = makeObject(env, Member{"iter", stats.iter});
    object.Set("requestStats", toArray(env, stats.requestStats));
    return object;
}

} // namespace

Napi::Object toJs(Napi::Env env, RuntimeLimits const& limits) {
    return makeObject(env, Member{"maxBatchSize", limits.maxBatchSize}, Member{"maxNumTokens", limits.maxNumTokens},
        Member{"maxBeamWidth", limits.maxBeamWidth}, Member{"maxInputLength", limits.maxInputLength},
        Member{"maxSequenceLength", limits.maxSequenceLength}, Member{"encoderVocabSize", limits.encoderVocabSize},
        Member{"decoderVocabSize", limits.decoderVocabSize}, Member{"tokensPerBlock", limits.tokensPerBlock},
        Member{"numSelfBlocks", limits.numSelfBlocks}, Member{"numCrossBlocks", limits.numCrossBlocks},
        Member{"selfCacheBytes", limits.selfCacheBytes}, Member{"crossCacheBytes", limits.crossCacheBytes},
        Member{"encoderTokenBudget", limits.encoderTokenBudget}, Member{"threads", limits.threads},
        Member{"weights", limits.weights}, Member{"maxAdapterRank", limits.maxAdapterRank});
}

Napi::Object toJs(Napi::Env env, RuntimeSnapshot const& snapshot) {
    return makeObject(env, Member{"numQueuedRequests", snapshot.numQueuedRequests},
        Member{"numActiveRequests", snapshot.numActiveRequests}, Member{"usedSelfBlocks", snapshot.usedSelfBlocks},
        Member{"usedCrossBlocks", snapshot.usedCrossBlocks},
        Member{"retainedCrossBlocks", snapshot.retainedCrossBlocks},
        Member{"encoderReuseHits", snapshot.encoderReuseHits},
        Member{"encoderReuseMisses", snapshot.encoderReuseMisses}, Member{"iteration", snapshot.iteration});
}

Napi::Object takeStats(Napi::Env env, RuntimeExecutor& runtime) {
    Napi::Object stats = Napi::Object::New(env);
    stats.Set("iterations", toArray(env, runtime.takeIterationStats()));
    stats.Set("requests", toArray(env, runtime.executor().getLatestRequestStats()));
    return stats;
}

} // namespace trtllm_node
