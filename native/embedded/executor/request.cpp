#include "tensorrt_llm/executor/request.h"

#include "executor/checks.h"

#include <utility>

namespace tensorrt_llm::executor {

namespace {

Tensor const& checkedBias(Tensor const& embeddingBias) {
    checks::checkEqual("rank of embeddingBias", embeddingBias.getShape().size(), 1);
    return embeddingBias;
}

} // namespace

struct Request::Impl {
    VecTokens inputTokenIds;
    SizeType32 maxTokens;
    bool streaming;
    SamplingConfig samplingConfig;
    OutputConfig outputConfig;
    std::optional<SizeType32> endId;
    std::optional<SizeType32> padId;
    std::optional<std::vector<SizeType32>> positionIds;
    std::optional<std::list<VecTokens>> badWords;
    std::optional<std::list<VecTokens>> stopWords;
    std::optional<Tensor> embeddingBias;
    std::optional<LoraConfig> loraConfig{};
    std::optional<std::string> logitsPostProcessorName{};
    std::optional<LogitsPostProcessor> logitsPostProcessor{};
    std::optional<VecTokens> encoderInputTokenIds{};
    std::optional<IdType> clientId{};
    PriorityType priority{kDefaultPriority};
    bool returnAllGeneratedTokens{false};
    std::optional<Tensor> encoderInputFeatures{};
    std::optional<SizeType32> encoderOutputLength{};
    std::optional<Tensor> crossAttentionMask{};
    RequestType requestType{RequestType::REQUEST_TYPE_CONTEXT_AND_GENERATION};
    std::optional<Tensor> skipCrossAttnBlocks{};
    std::optional<SizeType32> languageAdapterUid{};
    std::optional<MillisecondsType> allottedTimeMs{};
    std::optional<CacheSaltIDType> cacheSaltID{};
};

Request::Request(VecTokens inputTokenIds, SizeType32 maxTokens, bool streaming, SamplingConfig const& samplingConfig,
    OutputConfig const& outputConfig, std::optional<SizeType32> const& endId, std::optional<SizeType32> const& padId,
    std::optional<std::vector<SizeType32>> positionIds, std::optional<std::list<VecTokens>> badWords,
    std::optional<std::list<VecTokens>> stopWords, std::optional<Tensor> embeddingBias)
    : mImpl(new Impl{std::move(inputTokenIds), maxTokens, streaming, samplingConfig, outputConfig, endId, padId,
        std::move(positionIds), std::move(badWords), std::move(stopWords), std::move(embeddingBias)}) {
    checks::checked("inputTokenIds length", mImpl->inputTokenIds.size(), {.atLeast = 1});
    checks::checked("maxTokens", maxTokens, checks::kPOSITIVE<SizeType32>);
    if (mImpl->embeddingBias) {
        checkedBias(*mImpl->embeddingBias);
    }
}

Request::Request(Request const& other)
    : mImpl(other.mImpl ? std::make_unique<Impl>(*other.mImpl) : nullptr) {}

Request::Request(Request&& other) noexcept = default;

Request& Request::operator=(Request const& other) {
    return *this = Request(other);
}

Request& Request::operator=(Request&& other) noexcept = default;

Request::~Request() = default;

VecTokens Request::getInputTokenIds() const {
    return mImpl->inputTokenIds;
}

SizeType32 Request::getMaxTokens() const {
    return mImpl->maxTokens;
}

bool Request::getStreaming() const {
    return mImpl->streaming;
}

SamplingConfig Request::getSamplingConfig() const {
    return mImpl->samplingConfig;
}

OutputConfig Request::getOutputConfig() const {
    return mImpl->outputConfig;
}

std::optional<SizeType32> Request::getEndId() const {
    return mImpl->endId;
}

std::optional<SizeType32> Request::getPadId() const {
    return mImpl->padId;
}

std::optional<std::vector<SizeType32>> Request::getPositionIds() const {
    return mImpl->positionIds;
}

std::optional<std::list<VecTokens>> Request::getBadWords() const {
    return mImpl->badWords;
}

std::optional<std::list<VecTokens>> Request::getStopWords() const {
    return mImpl->stopWords;
}

std::optional<Tensor> Request::getEmbeddingBias() const {
    return mImpl->embeddingBias;
}

std::optional<LoraConfig> Request::getLoraConfig() const {
    return mImpl->loraConfig;
}

std::optional<std::string> Request::getLogitsPostProcessorName() const {
    return mImpl->logitsPostProcessorName;
}

std::optional<LogitsPostProcessor> Request::getLogitsPostProcessor() const {
    return mImpl->logitsPostProcessor;
}

std::optional<VecTokens> Request::getEncoderInputTokenIds() const {
    return mImpl->encoderInputTokenIds;
}

std::optional<IdType> Request::getClientId() const {
    return mImpl->clientId;
}

PriorityType Request::getPriority() const {
    return mImpl->priority;
}

bool Request::getReturnAllGeneratedTokens() const {
    return mImpl->returnAllGeneratedTokens;
}

std::optional<Tensor> Request::getEncoderInputFeatures() const {
    return mImpl->encoderInputFeatures;
}

std::optional<SizeType32> Request::getEncoderOutputLength() const {
    return mImpl->encoderOutputLength;
}

std::optional<Tensor> Request::getCrossAttentionMask() const {
    return mImpl->crossAttentionMask;
}

RequestType Request::getRequestType() const {
    return mImpl->requestType;
}

std::optional<Tensor> Request::getSkipCrossAttnBlocks() const {
    return mImpl->skipCrossAttnBlocks;
}

std::optional<SizeType32> Request::getLanguageAdapterUid() const {
    return mImpl->languageAdapterUid;
}

std::optional<MillisecondsType> Request::getAllottedTimeMs() const {
    return mImpl->allottedTimeMs;
}

std::optional<CacheSaltIDType> Request::getCacheSaltID() const {
    return mImpl->cacheSaltID;
}

void Request::setStreaming(bool streaming) {
    mImpl->streaming = streaming;
}

void Request::setSamplingConfig(SamplingConfig const& config) {
    mImpl->samplingConfig = config;
}

void Request::setOutputConfig(OutputConfig const& outputConfig) {
    mImpl->outputConfig = outputConfig;
}

void Request::setEndId(SizeType32 endId) {
    mImpl->endId = endId;
}

void Request::setPadId(SizeType32 padId) {
    mImpl->padId = padId;
}

void Request::setPositionIds(std::vector<SizeType32> const& positionIds) {
    mImpl->positionIds = positionIds;
}

void Request::setBadWords(std::list<VecTokens> const& badWords) {
    mImpl->badWords = badWords;
}

void Request::setStopWords(std::list<VecTokens> const& stopWords) {
    mImpl->stopWords = stopWords;
}

void Request::setEmbeddingBias(Tensor const& embeddingBias) {
    mImpl->embeddingBias = checkedBias(embeddingBias);
}

void Request::setLoraConfig(LoraConfig const& loraConfig) {
    mImpl->loraConfig = loraConfig;
}

void Request::setLogitsPostProcessorName(std::string const& logitsPostProcessorName) {
    mImpl->logitsPostProcessorName = logitsPostProcessorName;
}

void Request::setLogitsPostProcessor(std::optional<LogitsPostProcessor> const& logitsPostProcessor) {
    mImpl->logitsPostProcessor = logitsPostProcessor;
}

void Request::setEncoderInputTokenIds(VecTokens const& encoderInputTokenIds) {
    mImpl->encoderInputTokenIds = encoderInputTokenIds;
}

void Request::setClientId(IdType clientId) {
    mImpl->clientId = clientId;
}

void Request::setPriority(PriorityType priority) {
    mImpl->priority = priority;
}

void Request::setReturnAllGeneratedTokens(bool returnAllGeneratedTokens) {
    mImpl->returnAllGeneratedTokens = returnAllGeneratedTokens;
}

void Request::setEncoderInputFeatures(Tensor encoderInputFeatures) {
    mImpl->encoderInputFeatures = std::move(encoderInputFeatures);
}

void Request::setEncoderOutputLength(SizeType32 encoderOutputLength) {
    mImpl->encoderOutputLength = encoderOutputLength;
}

void Request::setCrossAttentionMask(Tensor crossAttentionMask) {
    mImpl->crossAttentionMask = std::move(crossAttentionMask);
}

void Request::setRequestType(RequestType const& requestType) {
    mImpl->requestType = requestType;
}

void Request::setSkipCrossAttnBlocks(Tensor skipCrossAttnBlocks) {
    mImpl->skipCrossAttnBlocks = std::move(skipCrossAttnBlocks);
}

void Request::setLanguageAdapterUid(SizeType32 languageAdapterUid) {
    mImpl->languageAdapterUid = languageAdapterUid;
}

void Request::setAllottedTimeMs(MillisecondsType allottedTimeMs) {
    mImpl->allottedTimeMs = allottedTimeMs;
}

void Request::setCacheSaltID(CacheSaltIDType cacheSaltID) {
    mImpl->cacheSaltID = cacheSaltID;
}

} // namespace tensorrt_llm::executor
