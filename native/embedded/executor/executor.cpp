#include "executor/executorImpl.h"

#include "tensorrt_llm/common/tllmException.h"

#include <pthread.h>

namespace tensorrt_llm::executor {

using common::TllmException;
using embedded::Component;
using embedded::EmbeddedOptions;
using Clock = std::chrono::steady_clock;

Executor::Impl::Impl(Model const* encoder, Model const& decoder, ExecutorConfig const& config)
    : mPostProcessors(config.getLogitsPostProcessorConfig())
    , mRequests(config.getMaxQueueSize())
    , mEngine(encoder, decoder, config, mRequests, mResponses)
    , mThread([this] { runLoop(); }) {}

Executor::Impl::~Impl() {
    shutdown();
}

void Executor::Impl::runLoop() {
    pthread_setname_np(pthread_self(), "trtllm-engine");
    while (mEngine.step()) {
    }
    mResponses.close();
}

void Executor::Impl::requireOpen() const {
    if (mShutdown) {
        throw TllmException("[ERR_CLOSED] Shutdown called");
    }
}

std::vector<IdType> Executor::Impl::enqueue(std::vector<Request> const& requests) {
    requireOpen();
    requirePostProcessors(requests);
    auto const arrival = Clock::now();
    std::vector<IdType> ids;
    std::vector<embedded::QueuedRequest> queued;
    for (auto const& request : requests) {
        // More than the engine has places for is refused when the request is fetched, which it must be able to do.
        auto const numSequences = std::min(embedded::numSequences(request), mEngine.limits().maxBatchSize);
        ids.push_back(mResponses.openId(static_cast<std::size_t>(numSequences)));
        queued.push_back({ids.back(), request, arrival, numSequences});
    }
    try {
        mRequests.push(std::move(queued));
    } catch (...) {
        mResponses.forgetIds(ids);
        throw;
    }
    return ids;
}

void Executor::Impl::requirePostProcessors(std::vector<Request> const& requests) const {
    auto const known = mPostProcessors ? mPostProcessors->getProcessorMap() : std::nullopt;
    for (auto const& request : requests) {
        auto const name = request.getLogitsPostProcessorName();
        if (name && *name != Request::kBatchedPostProcessorName && !(known && known->contains(*name))) {
            throw TllmException("[ERR_INVALID_ARGUMENT] LogitsPostProcessor " + *name + " not found");
        }
    }
}

void Executor::Impl::cancel(IdType id) {
    requireOpen();
    if (mResponses.isLive(id)) {
        mRequests.cancel(id);
    }
}

void Executor::Impl::shutdown() {
    mShutdown = true;
    mRequests.close();
    std::call_once(mJoined, [this] { mThread.join(); });
}

namespace {

void requireEncoderDecoder(ModelType modelType) {
    if (modelType != ModelType::kENCODER_DECODER) {
        throw TllmException("[ERR_UNSUPPORTED] the embedded runtime runs encoder-decoder models only");
    }
}

Model openModel(std::filesystem::path const& folder, Component component) {
    return {folder, component, EmbeddedOptions{}};
}

} // namespace

Executor::Executor(std::filesystem::path const& modelPath, ModelType modelType, ExecutorConfig const& executorConfig) {
    requireEncoderDecoder(modelType);
    mImpl = std::make_unique<Impl>(nullptr, openModel(modelPath, Component::kDECODER), executorConfig);
}

Executor::Executor(BufferView const& engineBuffer, std::string const& jsonConfigStr, ModelType modelType,
    ExecutorConfig const& executorConfig, std::optional<std::map<std::string, Tensor>> const& managedWeights) {
    requireEncoderDecoder(modelType);
    if (managedWeights) {
        throw TllmException("[ERR_UNSUPPORTED] managedWeights: not available for encoder-decoder models");
    }
    Model const decoder(engineBuffer, jsonConfigStr, Component::kDECODER, EmbeddedOptions{});
    mImpl = std::make_unique<Impl>(nullptr, decoder, executorConfig);
}

Executor::Executor(BufferView const& encoderEngineBuffer, std::string const& encoderJsonConfigStr,
    BufferView const& decoderEngineBuffer, std::string const& decoderJsonConfigStr, ModelType modelType,
    ExecutorConfig const& executorConfig) {
    requireEncoderDecoder(modelType);
    Model const encoder(encoderEngineBuffer, encoderJsonConfigStr, Component::kENCODER, EmbeddedOptions{});
    Model const decoder(decoderEngineBuffer, decoderJsonConfigStr, Component::kDECODER, EmbeddedOptions{});
    mImpl = std::make_unique<Impl>(&encoder, decoder, executorConfig);
}

Executor::Executor(std::shared_ptr<Model> model, ExecutorConfig const& executorConfig)
    : mImpl(std::make_unique<Impl>(nullptr, *model, executorConfig)) {}

Executor::Executor(std::filesystem::path const& encoderModelPath, std::filesystem::path const& decoderModelPath,
    ModelType modelType, ExecutorConfig const& executorConfig) {
    requireEncoderDecoder(modelType);
    auto const encoder = openModel(encoderModelPath, Component::kENCODER);
    mImpl = std::make_unique<Impl>(&encoder, openModel(decoderModelPath, Component::kDECODER), executorConfig);
}

Executor::Executor(
    std::shared_ptr<Model> encoderModel, std::shared_ptr<Model> decoderModel, ExecutorConfig const& executorConfig)
    : mImpl(std::make_unique<Impl>(encoderModel.get(), *decoderModel, executorConfig)) {}

Executor::~Executor() = default;

IdType Executor::enqueueRequest(Request const& request) {
    return mImpl->enqueue({request}).front();
}

std::vector<IdType> Executor::enqueueRequests(std::vector<Request> const& requests) {
    return mImpl->enqueue(requests);
}

std::vector<Response> Executor::awaitResponses(std::optional<std::chrono::milliseconds> const& timeout) {
    mImpl->requireOpen();
    return mImpl->responses().awaitAny(timeout);
}

std::vector<Response> Executor::awaitResponses(
    IdType const& requestId, std::optional<std::chrono::milliseconds> const& timeout) {
    mImpl->requireOpen();
    return mImpl->responses().awaitId(requestId, timeout);
}

std::vector<std::vector<Response>> Executor::awaitResponses(
    std::vector<IdType> const& requestIds, std::optional<std::chrono::milliseconds> const& timeout) {
    auto const start = Clock::now();
    std::vector<std::vector<Response>> responses;
    for (auto const id : requestIds) {
        auto left = timeout;
        if (left) {
            auto const spent = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
            left = std::max(*timeout - spent, std::chrono::milliseconds(0));
        }
        responses.push_back(awaitResponses(id, left));
    }
    return responses;
}

SizeType32 Executor::getNumResponsesReady(std::optional<IdType> const& requestId) const {
    mImpl->requireOpen();
    return mImpl->responses().numReady(requestId);
}

void Executor::cancelRequest(IdType requestId) {
    mImpl->cancel(requestId);
}

void Executor::shutdown() {
    mImpl->shutdown();
}

std::deque<IterationStats> Executor::getLatestIterationStats() {
    mImpl->requireOpen();
    return mImpl->engine().recorder().iterations().take();
}

std::deque<RequestStatsPerIteration> Executor::getLatestRequestStats() {
    mImpl->requireOpen();
    return mImpl->engine().recorder().requestIterations().take();
}

bool Executor::canEnqueueRequests() const {
    return !mImpl->isShutdown();
}

bool Executor::isParticipant() const {
    return true;
}

} // namespace tensorrt_llm::executor
