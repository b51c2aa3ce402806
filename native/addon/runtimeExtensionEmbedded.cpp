/// The extension of the embedded runtime: the only addon source that includes its headers.
#include "runtimeExtension.h"

#include "executor/executorImpl.h"
#include "executor/responseAccess.h"

#include <stdexcept>

namespace trtllm_node {

namespace {

namespace texec = tensorrt_llm::executor;

char const* nameOf(embedded::compute::WeightType type) {
    using embedded::compute::WeightType;
    return type == WeightType::kINT8 ? "int8" : type == WeightType::kBF16 ? "bfloat16" : "float32";
}

class EmbeddedExecutor : public RuntimeExecutor {
public:
    EmbeddedExecutor(std::shared_ptr<texec::Model> const& encoder, std::shared_ptr<texec::Model> const& decoder,
        texec::ExecutorConfig const& config)
        : mExecutor(encoder, decoder, config)
        , mImpl(texec::ExecutorAccess::impl(mExecutor))
        , mThreads(mImpl.engine().runner().numThreads())
        , mWeights(nameOf(decoder->weightType())) {}

    [[nodiscard]] texec::Executor& executor() override { return mExecutor; }

    [[nodiscard]] RuntimeLimits limits() const override {
        auto const& engine = mImpl.engine();
        auto const& limits = engine.limits();
        return {.maxBatchSize = limits.maxBatchSize,
            .maxNumTokens = limits.maxNumTokens,
            .maxBeamWidth = limits.maxBeamWidth,
            .maxInputLength = limits.maxInputLength,
            .maxSequenceLength = limits.maxSequenceLength,
            .encoderVocabSize = engine.runner().encoderConfig().vocabSize,
            .decoderVocabSize = engine.runner().decoderConfig().vocabSize,
            .tokensPerBlock = limits.tokensPerBlock,
            .encoderTokenBudget = limits.encoderTokenBudget,
            .maxAdapterRank = limits.adapters.maxRank,
            .numSelfBlocks = limits.numSelfBlocks,
            .numCrossBlocks = limits.numCrossBlocks,
            .selfCacheBytes = bytesOf(limits.numSelfBlocks),
            .crossCacheBytes = bytesOf(limits.numCrossBlocks),
            .threads = mThreads,
            .weights = mWeights};
    }

    [[nodiscard]] RuntimeSnapshot snapshot() override {
        auto const state = mImpl.engine().snapshot();
        return {.numQueuedRequests = mImpl.requests().size(),
            .numActiveRequests = state.numActiveRequests,
            .usedSelfBlocks = state.usedSelfBlocks,
            .usedCrossBlocks = state.usedCrossBlocks,
            .iteration = state.iteration,
            .retainedCrossBlocks = state.retainedCrossBlocks,
            .encoderReuseHits = state.encoderReuseHits,
            .encoderReuseMisses = state.encoderReuseMisses};
    }

    void releaseAdapter(std::uint64_t taskId) override { mImpl.engine().adapterCache().release(taskId); }

    void pinAdapter(std::uint64_t taskId, bool isPinned) override {
        mImpl.engine().adapterCache().pin(taskId, isPinned);
    }

private:
    [[nodiscard]] std::uint64_t bytesOf(std::int32_t numBlocks) const {
        return static_cast<std::uint64_t>(numBlocks) * mImpl.engine().runner().bytesPerBlock();
    }

    texec::Executor mExecutor;
    texec::ExecutorAccess::Impl& mImpl;
    std::int32_t mThreads;
    std::string mWeights;
};

/// null if the model does not have it
std::shared_ptr<texec::Model> openComponent(std::filesystem::path const& path, std::optional<ModelBuffer> const& buffer,
    embedded::Component component, embedded::EmbeddedOptions const& options) {
    if (buffer) {
        texec::BufferView const weights{buffer->engine.data(), buffer->engine.size()};
        return std::make_shared<texec::Model>(weights, buffer->config, component, options);
    }
    return path.empty() ? nullptr : std::make_shared<texec::Model>(path, component, options);
}

} // namespace

std::optional<std::chrono::steady_clock::time_point> encodedTime(texec::Response const& response) {
    return texec::ResponseAccess::encodedTime(response);
}

std::optional<std::int32_t> stableBeamPrefix(texec::Response const& response) {
    return texec::ResponseAccess::stableLength(response);
}

char const* runtimeName() {
    return "embedded";
}

std::vector<std::string> runtimeCapabilities() {
    return {"threads", "weights", "tokensPerBlock", "encoderTokenBudget", "reuseEncoder", "mixedBeamWidths",
        "stableBeamPrefix", "releaseAdapter", "pinAdapter"};
}

std::unique_ptr<RuntimeExecutor> createRuntimeExecutor(
    ModelSource const& model, texec::ExecutorConfig const& config, RuntimeOptions const& options) {
    if (model.modelType != texec::ModelType::kENCODER_DECODER) {
        throw std::invalid_argument("[ERR_UNSUPPORTED] the embedded runtime runs encoder-decoder models only");
    }
    embedded::EmbeddedOptions const embeddedOptions{
        options.threads, options.weights, options.tokensPerBlock, options.encoderTokenBudget, options.reuseEncoder};
    auto const encoder =
        openComponent(model.encoderPath, model.encoderBuffer, embedded::Component::kENCODER, embeddedOptions);
    auto const decoder =
        openComponent(model.decoderPath, model.decoderBuffer, embedded::Component::kDECODER, embeddedOptions);
    return std::make_unique<EmbeddedExecutor>(encoder, decoder, config);
}

} // namespace trtllm_node
