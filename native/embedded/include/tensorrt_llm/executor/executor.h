/// The executor API of TensorRT-LLM 1.2, as our embedded runtime offers it: the names, parameters, defaults and
/// documented behaviour are NVIDIA's, so that the same program compiles against either. Include this file only; the
/// ones beside it are its parts.
///
/// Where NVIDIA's headers use types that do not exist here (yet), the members that need them are missing, and a
/// constructor takes exactly the leading parameters of NVIDIA's up to the first of those types. Everything behind is
/// reached through setters, which exist for every field whose type exists.
///
/// Failed checks throw tensorrt_llm::common::TllmException, a std::runtime_error; its text starts with a code in
/// brackets.
#pragma once

#include "tensorrt_llm/executor/configs.h"
#include "tensorrt_llm/executor/executorConfig.h"
#include "tensorrt_llm/executor/outputConfig.h"
#include "tensorrt_llm/executor/request.h"
#include "tensorrt_llm/executor/response.h"
#include "tensorrt_llm/executor/samplingConfig.h"
#include "tensorrt_llm/executor/tensor.h"
#include "tensorrt_llm/executor/types.h"

#include <chrono>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tensorrt_llm::executor {

/// The version of the API that this runtime is compatible with, not a version of its own: "1.2.1".
char const* version() noexcept;

/// A loaded model. Only this runtime can make one.
class Model;

/// Runs requests on one model, many at a time, on a thread of its own.
///
/// Thread-safety: every method may be called from any thread. Of the three forms of awaitResponses(), use either the
/// one without ids or those with ids: whoever wakes first takes the responses.
///
/// Request ids count from 1. After shutdown() every method throws TllmException except canEnqueueRequests(),
/// isParticipant() and shutdown() itself.
class Executor {
public:
    /// Loads a model and starts serving it; blocks meanwhile. Throws TllmException if the model or the configuration
    /// cannot be used: BatchingType::kSTATIC, an encoder-decoder model without crossKvCacheFraction, a broken file.
    /// An encoder-decoder model given by one path is a decoder alone: its requests bring the encoder's output as
    /// encoderInputFeatures.
    Executor(std::filesystem::path const& modelPath, ModelType modelType, ExecutorConfig const& executorConfig);
    /// An encoder-decoder model. Mind the order: encoder first.
    Executor(std::filesystem::path const& encoderModelPath, std::filesystem::path const& decoderModelPath,
        ModelType modelType, ExecutorConfig const& executorConfig);
    /// From memory, which is not needed afterwards: the engine (here the content of rank0.safetensors) and the text of
    /// its config.json.
    Executor(BufferView const& engineBuffer, std::string const& jsonConfigStr, ModelType modelType,
        ExecutorConfig const& executorConfig,
        std::optional<std::map<std::string, Tensor>> const& managedWeights = std::nullopt);
    Executor(BufferView const& encoderEngineBuffer, std::string const& encoderJsonConfigStr,
        BufferView const& decoderEngineBuffer, std::string const& decoderJsonConfigStr, ModelType modelType,
        ExecutorConfig const& executorConfig);
    Executor(std::shared_ptr<Model> model, ExecutorConfig const& executorConfig);
    Executor(
        std::shared_ptr<Model> encoderModel, std::shared_ptr<Model> decoderModel, ExecutorConfig const& executorConfig);

    /// Calls shutdown().
    ~Executor();
    Executor(Executor const& executor) = delete;
    Executor& operator=(Executor const& executor) = delete;
    // Defaulted as in NVIDIA's header, so they compile only where Impl is complete: hold an Executor in a unique_ptr.
    Executor(Executor&&) = default;
    Executor& operator=(Executor&&) = default;

    /// Queues a request and returns its id at once. Throws TllmException if the queue is full or the request names an
    /// unknown logits post-processor; whatever else is wrong with it comes back as an error Response.
    [[nodiscard]] IdType enqueueRequest(Request const& request);
    /// One id per request, in order.
    [[nodiscard]] std::vector<IdType> enqueueRequests(std::vector<Request> const& requests);

    /// Blocks until any response is ready and returns all that are, each exactly once: in order within a request, in
    /// no order between requests. Empty if the timeout is over first; without a timeout it waits for ever.
    [[nodiscard]] std::vector<Response> awaitResponses(
        std::optional<std::chrono::milliseconds> const& timeout = std::nullopt);
    /// The same for one request. A request whose last response was handed out already gives one error Response.
    [[nodiscard]] std::vector<Response> awaitResponses(
        IdType const& requestId, std::optional<std::chrono::milliseconds> const& timeout = std::nullopt);
    /// The same for each id in turn, with what is left of the timeout; one entry per id.
    [[nodiscard]] std::vector<std::vector<Response>> awaitResponses(
        std::vector<IdType> const& requestIds, std::optional<std::chrono::milliseconds> const& timeout = std::nullopt);

    /// Responses ready for one request (0 if unknown), or for all.
    [[nodiscard]] SizeType32 getNumResponsesReady(std::optional<IdType> const& requestId = std::nullopt) const;

    /// Asks for the end of a request and returns at once. It still gets a final Response, with
    /// FinishReason::kCANCELLED unless it ended by itself before. Ids that are unknown or done are ignored.
    void cancelRequest(IdType requestId);

    /// Ends the executor: blocks until the active requests are done. A second call does nothing.
    void shutdown();

    /// What was recorded since the last call, oldest first, up to ExecutorConfig::getIterStatsMaxIterations().
    std::deque<IterationStats> getLatestIterationStats();
    /// The same, up to ExecutorConfig::getRequestStatsMaxIterations().
    std::deque<RequestStatsPerIteration> getLatestRequestStats();

    /// Whether this process may enqueue requests and the executor is not shut down.
    [[nodiscard]] bool canEnqueueRequests() const;
    /// Whether this process takes part in running the model.
    [[nodiscard]] bool isParticipant() const;

private:
    /// The door for what has no place in NVIDIA's API; our runtime alone defines it.
    friend struct ExecutorAccess;

    class Impl;
    std::unique_ptr<Impl> mImpl;
};

} // namespace tensorrt_llm::executor
