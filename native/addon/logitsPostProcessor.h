/// The batched logits post-processor that the addon installs in every Executor: constraints of requests, then logits
/// processors in JavaScript, which are called once for all requests of the iteration.
#pragma once

#include "logitsBridge.h"
#include "requestRegistry.h"

#include <tensorrt_llm/executor/executor.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace trtllm_node {

/// What an engine's threads share about its requests.
struct RequestHooks {
    std::shared_ptr<RequestRegistry> registry = std::make_shared<RequestRegistry>();
    std::shared_ptr<LogitsBridge> bridge = std::make_shared<LogitsBridge>();
};

/// Makes an Executor of this configuration call a LogitsPostProcessor.
void installLogitsPostProcessor(tensorrt_llm::executor::ExecutorConfig& config, RequestHooks const& hooks);

/// Runs on the runtime's thread, which waits for it. Never throws: what fails fails its request alone.
class LogitsPostProcessor {
public:
    using IdType = tensorrt_llm::executor::IdType;
    using Beams = tensorrt_llm::executor::BeamTokens;

    explicit LogitsPostProcessor(RequestHooks hooks);

    /// As LogitsPostProcessorBatched: the logits, the tokens (decoder prompt included) and the client id of each
    /// request.
    void run(std::vector<tensorrt_llm::executor::Tensor>& logits,
        std::vector<std::reference_wrapper<Beams const>> const& tokens, tensorrt_llm::executor::StreamPtr const& stream,
        std::vector<std::optional<IdType>> const& clientIds);

private:
    /// One request of the iteration.
    struct Item {
        IdType clientId;
        RequestRegistry::Extras extras;
        Beams const* beams;
        tensorrt_llm::executor::Tensor target; ///< of the runtime
        tensorrt_llm::executor::Tensor host;   ///< the same one, or its copy
        std::size_t numRows;                   ///< one for each beam that has logits
        std::size_t batchOffset = 0;           ///< in LogitsBatch::logits

        [[nodiscard]] std::size_t vocabSize() const;
        [[nodiscard]] std::span<float> row(std::size_t index);
        /// What the beam has generated so far.
        [[nodiscard]] std::span<Constraints::TokenId const> generated(std::size_t index) const;
    };

    void add(IdType clientId, tensorrt_llm::executor::Tensor const& logits, Beams const& beams,
        tensorrt_llm::executor::StreamPtr const& stream);
    void constrain(Item& item);
    void callJavaScript();
    void pack(Item& item);
    void unpack(Item& item);
    /// Runs `action()` and fails the request if that throws.
    template <typename Action> void guard(std::optional<IdType> clientId, Action action);

    RequestHooks mHooks;
    std::vector<Item> mItems;
    std::shared_ptr<LogitsBatch> mBatch = std::make_shared<LogitsBatch>();
    std::vector<Constraints::TokenId> mScratch;
};

} // namespace trtllm_node
