/// Names for numbers, enumerations and the statistics that an Executor reports. Plain values without invariants.
#pragma once

#include "tensorrt_llm/executor/decodingMode.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tensorrt_llm::runtime {
class CudaStream;
}

namespace tensorrt_llm::executor {

class Tensor;

using TensorPtr = std::shared_ptr<Tensor>;
using SizeType32 = std::int32_t;
using SizeType64 = std::int64_t;
using FloatType = float;
using TokenIdType = std::int32_t;
using VecTokens = std::vector<TokenIdType>;
using BeamTokens = std::vector<VecTokens>;
using IdType = std::uint64_t;
using VecTokenExtraIds = std::vector<IdType>;
using IterationType = std::uint64_t;
using RandomSeedType = std::uint64_t;
using VecLogProbs = std::vector<FloatType>;
using StreamPtr = std::shared_ptr<tensorrt_llm::runtime::CudaStream>;
using MillisecondsType = std::chrono::milliseconds;
using CacheSaltIDType = std::uint64_t;

/// Edits the logits of one request in place before a token is chosen. Arguments: request id, logits, the tokens of
/// each beam so far (prompt included), the stream that orders access to the logits (null without a GPU), client id.
/// Runs on the execution thread, so it holds up every other request while it runs.
using LogitsPostProcessor =
    std::function<void(IdType, Tensor&, BeamTokens const&, StreamPtr const&, std::optional<IdType>)>;
using LogitsPostProcessorMap = std::unordered_map<std::string, LogitsPostProcessor>;
/// The same for all requests of a step at once: one entry per request in each list.
using LogitsPostProcessorBatched = std::function<void(std::vector<IdType> const&, std::vector<Tensor>&,
    std::vector<std::reference_wrapper<BeamTokens const>> const&, StreamPtr const&,
    std::vector<std::optional<IdType>> const&)>;

using MedusaChoices = std::vector<std::vector<SizeType32>>;
using EagleChoices = std::vector<std::vector<SizeType32>>;
/// Larger runs first.
using PriorityType = float;
using BufferView = std::basic_string_view<std::uint8_t>;

/// Element type of a Tensor.
enum class DataType {
    kBOOL = 0,
    kUINT8 = 1,
    kINT8 = 2,
    kINT32 = 3,
    kINT64 = 4,
    kBF16 = 5,
    kFP8 = 6,
    kFP16 = 7,
    kFP32 = 8,
    kUNKNOWN = 9, ///< only of a Tensor without a buffer
};

/// Where the bytes of a Tensor lie.
enum class MemoryType {
    kCPU = 0,
    kCPU_PINNED = 1,
    kCPU_PINNEDPOOL = 2,
    kGPU = 3,
    kUVM = 4,
    kUNKNOWN = 5, ///< only of a Tensor without a buffer
};

/// Which phases of a request this executor runs; anything but both belongs to disaggregated serving.
enum class RequestType {
    REQUEST_TYPE_CONTEXT_AND_GENERATION = 0,
    REQUEST_TYPE_CONTEXT_ONLY = 1,
    REQUEST_TYPE_GENERATION_ONLY = 2,
};

enum class ModelType {
    kDECODER_ONLY = 0,
    kENCODER_ONLY = 1,
    kENCODER_DECODER = 2,
};

enum class BatchingType {
    kSTATIC = 0, ///< deprecated: constructing an Executor with it throws; see CapacitySchedulerPolicy::kSTATIC_BATCH
    kINFLIGHT = 1,
};

/// When a queued request may start.
enum class CapacitySchedulerPolicy {
    kMAX_UTILIZATION = 0,     ///< as many as fit now; may pause and restart some. Not for encoder-decoder models
    kGUARANTEED_NO_EVICT = 1, ///< only if the cache holds it to its end; a started request is never paused
    kSTATIC_BATCH = 2,        ///< none until the running batch is done
};

/// Who gets the token budget when prompts are processed in pieces.
enum class ContextChunkingPolicy {
    kFIRST_COME_FIRST_SERVED = 0,
    kEQUAL_PROGRESS = 1,
};

enum class CommunicationType {
    kMPI = 0,
};

enum class CommunicationMode {
    kLEADER = 0,       ///< the leader rank takes the requests
    kORCHESTRATOR = 1, ///< a process of its own drives the workers
};

enum class RequestStage {
    kQUEUED = 0,
    kENCODER_IN_PROGRESS = 1,
    kCONTEXT_IN_PROGRESS = 2,
    kGENERATION_IN_PROGRESS = 3,
    kGENERATION_COMPLETE = 4,
};

/// Why a beam ended.
enum class FinishReason {
    kNOT_FINISHED = 0,
    kEND_ID = 1,     ///< the end id was generated
    kSTOP_WORDS = 2, ///< a stop word was completed
    kLENGTH = 3,     ///< maxTokens or the longest sequence was reached
    kTIMED_OUT = 4,  ///< the allotted time was over
    kCANCELLED = 5,
};

/// How cache blocks move between memories.
enum class KvCacheTransferMode {
    DRAM = 0,
    GDS = 1,
    POSIX_DEBUG_FALLBACK = 2,
};

/// Prints the enumerator without its k: "GUARANTEED_NO_EVICT".
std::ostream& operator<<(std::ostream& os, CapacitySchedulerPolicy policy);
std::ostream& operator<<(std::ostream& os, ContextChunkingPolicy policy);

/// TypeTraits<T>::value is the DataType that stores a T; no member where there is none.
template <typename T, bool = false> struct TypeTraits {};

template <> struct TypeTraits<float> { static constexpr auto value = DataType::kFP32; };

template <> struct TypeTraits<std::int8_t> { static constexpr auto value = DataType::kINT8; };

template <> struct TypeTraits<std::int32_t> { static constexpr auto value = DataType::kINT32; };

template <> struct TypeTraits<std::int64_t> { static constexpr auto value = DataType::kINT64; };

template <> struct TypeTraits<bool> { static constexpr auto value = DataType::kBOOL; };

template <> struct TypeTraits<std::uint8_t> { static constexpr auto value = DataType::kUINT8; };

template <typename T> struct TypeTraits<T*> { static constexpr auto value = DataType::kINT64; };

// Statistics. NVIDIA's headers leave most of these fields uninitialised; here every field starts at zero.

/// One pool of cache blocks. The first four fields are of this moment, the next four count since the start.
struct KvCacheStats {
    SizeType32 maxNumBlocks{0};
    SizeType32 freeNumBlocks{0};
    SizeType32 usedNumBlocks{0};
    SizeType32 tokensPerBlock{0};
    SizeType32 allocTotalBlocks{0};
    SizeType32 allocNewBlocks{0};
    SizeType32 reusedBlocks{0};
    SizeType32 missedBlocks{0};
    float cacheHitRate{0.0F}; ///< reused / (reused + missed); 0 if both are 0
};

/// One step of static batching.
struct StaticBatchingStats {
    SizeType32 numScheduledRequests{0};
    SizeType32 numContextRequests{0};
    SizeType32 numCtxTokens{0};
    SizeType32 numGenTokens{0};
    SizeType32 emptyGenSlots{0};
};

/// One step of in-flight batching. Counts decoder work only.
struct InflightBatchingStats {
    SizeType32 numScheduledRequests{0};
    SizeType32 numContextRequests{0}; ///< scheduled ones that process their decoder prompt
    SizeType32 numGenRequests{0};     ///< scheduled ones that generate
    SizeType32 numPausedRequests{0};
    SizeType32 numCtxTokens{0};
    SizeType32 microBatchId{0};
    float avgNumDecodedTokensPerIter{0.0F};
};

/// Speculative decoding in one step.
struct SpecDecodingStats {
    SizeType64 numDraftTokens{0};
    SizeType64 numAcceptedTokens{0};
    SizeType64 numRequestsWithDraftTokens{0};
    double acceptanceLength{0.0};
    double iterLatencyMS{0.0};
    double draftOverhead{0.0};
};

/// One iteration of the executor. Memory in bytes, latencies in milliseconds.
struct IterationStats {
    std::string timestamp; ///< local time, month-day-year hours:minutes:seconds.microseconds
    IterationType iter{0};
    double iterLatencyMS{0.0};
    double newActiveRequestsQueueLatencyMS{0.0}; ///< time in the queue, summed over the newly active requests
    SizeType32 numNewActiveRequests{0};
    SizeType32 numActiveRequests{0};
    SizeType32 numQueuedRequests{0};
    SizeType32 numCompletedRequests{0};
    SizeType32 maxNumActiveRequests{0};         ///< sequences that the model can hold at once
    SizeType32 maxBatchSizeStatic{0};           ///< configured
    SizeType32 maxBatchSizeTunerRecommended{0}; ///< 0 if the tuner is off
    SizeType32 maxBatchSizeRuntime{0};          ///< in force
    SizeType32 maxNumTokensStatic{0};           ///< configured
    SizeType32 maxNumTokensTunerRecommended{0}; ///< 0 if the tuner is off
    SizeType32 maxNumTokensRuntime{0};          ///< in force
    std::size_t gpuMemUsage{0};
    std::size_t cpuMemUsage{0};
    std::size_t pinnedMemUsage{0};
    std::optional<KvCacheStats> kvCacheStats;      ///< self-attention cache
    std::optional<KvCacheStats> crossKvCacheStats; ///< cross-attention cache of an encoder-decoder model
    std::optional<StaticBatchingStats> staticBatchingStats;
    std::optional<InflightBatchingStats> inflightBatchingStats;
    std::optional<SpecDecodingStats> specDecodingStats;
};

/// The cache transfer of one disaggregated request.
struct DisServingRequestStats {
    double kvCacheTransferMS{0.0};
    std::size_t kvCacheSize{0}; ///< bytes
};

/// One request in one iteration.
struct RequestStats {
    IdType id{0};
    RequestStage stage{RequestStage::kQUEUED};
    SizeType32 contextPrefillPosition{0}; ///< prompt tokens processed so far
    SizeType32 numGeneratedTokens{0};
    float avgNumDecodedTokensPerIter{0.0F};
    bool scheduled{false}; ///< took part in this iteration
    bool paused{false};
    std::optional<DisServingRequestStats> disServingStats;
    SizeType32 allocTotalBlocksPerRequest{0};
    SizeType32 allocNewBlocksPerRequest{0};
    SizeType32 reusedBlocksPerRequest{0};
    SizeType32 missedBlocksPerRequest{0};
    FloatType kvCacheHitRatePerRequest{0.0F};
};

/// The active, queued and just finished requests of one iteration.
struct RequestStatsPerIteration {
    IterationType iter{0};
    std::vector<RequestStats> requestStats;
};

/// What one request cost; in its Result if OutputConfig::returnPerfMetrics was set.
struct RequestPerfMetrics {
    /// Only differences between two of them mean anything.
    using TimePoint = std::chrono::time_point<std::chrono::steady_clock>;

    struct TimingMetrics {
        TimePoint arrivalTime;
        TimePoint firstScheduledTime;
        TimePoint firstTokenTime;
        TimePoint lastTokenTime;
        TimePoint kvCacheTransferStart;
        TimePoint kvCacheTransferEnd;
        mutable std::size_t kvCacheSize = 0; ///< bytes
    };

    struct KvCacheMetrics {
        SizeType32 numTotalAllocatedBlocks{0};
        SizeType32 numNewAllocatedBlocks{0};
        SizeType32 numReusedBlocks{0};
        SizeType32 numMissedBlocks{0};
        FloatType kvCacheHitRate{0.0F};
    };

    struct SpeculativeDecodingMetrics {
        FloatType acceptanceRate{0.0F};
        SizeType32 totalAcceptedDraftTokens{0};
        SizeType32 totalDraftTokens{0};
    };

    TimingMetrics timingMetrics;
    KvCacheMetrics kvCacheMetrics;
    SpeculativeDecodingMetrics speculativeDecoding;
    std::optional<IterationType> firstIter; ///< the first that ran the request
    std::optional<IterationType> lastIter;  ///< the one that ended it
    std::optional<IterationType> iter;      ///< the current one
};

} // namespace tensorrt_llm::executor
