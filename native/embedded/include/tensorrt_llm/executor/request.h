#pragma once

#include "tensorrt_llm/executor/outputConfig.h"
#include "tensorrt_llm/executor/samplingConfig.h"
#include "tensorrt_llm/executor/tensor.h"
#include "tensorrt_llm/executor/types.h"

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tensorrt_llm::executor {

/// The adapter of one request. The first use of a task id brings weights and config, later ones only the id; an id
/// that is no longer cached gives an error response.
class LoraConfig {
public:
    /// weights: one row per row of config, the matrices A and B flattened one after the other, padded with zeros.
    /// config: INT32, a row per adapted module: module id, layer index, rank.
    /// Throws TllmException unless both are of rank 2, of the same number of rows and config is INT32, or if weights
    /// come without config.
    explicit LoraConfig(
        IdType taskId, std::optional<Tensor> weights = std::nullopt, std::optional<Tensor> config = std::nullopt);

    [[nodiscard]] IdType getTaskId() const { return mTaskId; }
    [[nodiscard]] std::optional<Tensor> getWeights() const { return mWeights; }
    [[nodiscard]] std::optional<Tensor> getConfig() const { return mConfig; }

private:
    IdType mTaskId;
    std::optional<Tensor> mWeights;
    std::optional<Tensor> mConfig;
};

/// One generation task. Copies are deep, except that the tensors in a copy share their buffers with the original.
/// A moved-from Request may only be assigned, copied or destroyed.
class Request {
public:
    static constexpr PriorityType kDefaultPriority = 0.5F;
    /// A logits post-processor of this name stands for the batched one of the executor.
    static auto constexpr kBatchedPostProcessorName = "batched";
    /// Names that begin with this are given to post-processors that came with a request.
    static auto constexpr kDynamicPostProcessorNamePrefix = "dynamic";

    /// inputTokenIds: the decoder prompt, usually the one decoder start token of the model; not empty.
    /// maxTokens: most tokens to generate, > 0; lowered to what the longest sequence leaves room for.
    /// embeddingBias: added to the logits, of rank 1 [vocabulary], element type of the logits.
    /// The other parameters: see the setters. Throws TllmException if one of these rules is broken.
    Request(VecTokens inputTokenIds, SizeType32 maxTokens, bool streaming = false,
        SamplingConfig const& samplingConfig = SamplingConfig(), OutputConfig const& outputConfig = OutputConfig(),
        std::optional<SizeType32> const& endId = std::nullopt, std::optional<SizeType32> const& padId = std::nullopt,
        std::optional<std::vector<SizeType32>> positionIds = std::nullopt,
        std::optional<std::list<VecTokens>> badWords = std::nullopt,
        std::optional<std::list<VecTokens>> stopWords = std::nullopt,
        std::optional<Tensor> embeddingBias = std::nullopt);

    Request(Request const& other);
    Request(Request&& other) noexcept;
    Request& operator=(Request const& other);
    Request& operator=(Request&& other) noexcept;
    ~Request();

    [[nodiscard]] VecTokens getInputTokenIds() const;
    [[nodiscard]] SizeType32 getMaxTokens() const;
    [[nodiscard]] bool getStreaming() const;
    [[nodiscard]] SamplingConfig getSamplingConfig() const;
    [[nodiscard]] OutputConfig getOutputConfig() const;
    [[nodiscard]] std::optional<SizeType32> getEndId() const;
    [[nodiscard]] std::optional<SizeType32> getPadId() const;
    [[nodiscard]] std::optional<std::vector<SizeType32>> getPositionIds() const;
    [[nodiscard]] std::optional<std::list<VecTokens>> getBadWords() const;
    [[nodiscard]] std::optional<std::list<VecTokens>> getStopWords() const;
    [[nodiscard]] std::optional<Tensor> getEmbeddingBias() const;
    [[nodiscard]] std::optional<LoraConfig> getLoraConfig() const;
    [[nodiscard]] std::optional<std::string> getLogitsPostProcessorName() const;
    [[nodiscard]] std::optional<LogitsPostProcessor> getLogitsPostProcessor() const;
    [[nodiscard]] std::optional<VecTokens> getEncoderInputTokenIds() const;
    [[nodiscard]] std::optional<IdType> getClientId() const;
    [[nodiscard]] PriorityType getPriority() const;
    [[nodiscard]] bool getReturnAllGeneratedTokens() const;
    [[nodiscard]] std::optional<Tensor> getEncoderInputFeatures() const;
    [[nodiscard]] std::optional<SizeType32> getEncoderOutputLength() const;
    [[nodiscard]] std::optional<Tensor> getCrossAttentionMask() const;
    [[nodiscard]] RequestType getRequestType() const;
    [[nodiscard]] std::optional<Tensor> getSkipCrossAttnBlocks() const;
    [[nodiscard]] std::optional<SizeType32> getLanguageAdapterUid() const;
    [[nodiscard]] std::optional<MillisecondsType> getAllottedTimeMs() const;
    [[nodiscard]] std::optional<CacheSaltIDType> getCacheSaltID() const;

    // Setters take any value, except setEmbeddingBias(); what is wrong comes back as an error response.

    /// A response per step instead of one at the end. Default false.
    void setStreaming(bool streaming);
    void setSamplingConfig(SamplingConfig const& config);
    void setOutputConfig(OutputConfig const& outputConfig);
    /// Token that ends a sequence, -1 ... vocabulary - 1. Unset or -1: none does.
    void setEndId(SizeType32 endId);
    /// Token that fills unused places.
    void setPadId(SizeType32 padId);
    /// Positions of the prompt tokens, for models that want them given.
    void setPositionIds(std::vector<SizeType32> const& positionIds);
    /// Token sequences that must not occur.
    void setBadWords(std::list<VecTokens> const& badWords);
    /// Token sequences that end the output.
    void setStopWords(std::list<VecTokens> const& stopWords);
    /// Throws TllmException unless the tensor has rank 1.
    void setEmbeddingBias(Tensor const& embeddingBias);
    void setLoraConfig(LoraConfig const& loraConfig);
    /// Name of a post-processor that the executor was configured with; not together with setLogitsPostProcessor().
    void setLogitsPostProcessorName(std::string const& logitsPostProcessorName);
    /// A post-processor for this request alone.
    void setLogitsPostProcessor(std::optional<LogitsPostProcessor> const& logitsPostProcessor);
    /// What the encoder reads.
    void setEncoderInputTokenIds(VecTokens const& encoderInputTokenIds);
    /// Comes back in each Response.
    void setClientId(IdType clientId);
    /// Larger is taken from the queue first; equal ones in the order of arrival. Default kDefaultPriority.
    void setPriority(PriorityType priority);
    /// Each streaming response holds all tokens so far, not only the new ones. Beam search forces it.
    void setReturnAllGeneratedTokens(bool returnAllGeneratedTokens);
    void setRequestType(RequestType const& requestType);
    /// What the encoder reads instead of tokens: [length, features].
    void setEncoderInputFeatures(Tensor encoderInputFeatures);
    /// Rows of the encoder's output if they differ from its input's.
    void setEncoderOutputLength(SizeType32 encoderOutputLength);
    /// Which encoder positions each decoder row may see: boolean [decoder rows, encoder length].
    void setCrossAttentionMask(Tensor crossAttentionMask);
    /// Boolean: leave the cross-attention blocks out.
    void setSkipCrossAttnBlocks(Tensor skipCrossAttnBlocks);
    /// Expert to use in a model with language adapters.
    void setLanguageAdapterUid(SizeType32 languageAdapterUid);
    /// Wall-clock limit from the moment the request leaves the queue; may run over by one step. Ends with kTIMED_OUT.
    void setAllottedTimeMs(MillisecondsType allottedTimeMs);
    /// Requests share cache blocks only if this is equal.
    void setCacheSaltID(CacheSaltIDType cacheSaltID);

private:
    struct Impl;
    std::unique_ptr<Impl> mImpl;
};

} // namespace tensorrt_llm::executor
