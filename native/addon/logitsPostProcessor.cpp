#include "logitsPostProcessor.h"

#include "errors.h"
#include "tensors.h"

#include <algorithm>
#include <exception>
#include <ranges>
#include <stdexcept>
#include <utility>

namespace tle = tensorrt_llm::executor;

namespace trtllm_node {

void installLogitsPostProcessor(tle::ExecutorConfig& config, RequestHooks const& hooks) {
    auto const processor = std::make_shared<LogitsPostProcessor>(hooks);
    tle::LogitsPostProcessorConfig processors;
    processors.setProcessorBatched([processor](auto const&, auto& logits, auto const& tokens, auto const& stream,
                                       auto const& clientIds) { processor->run(logits, tokens, stream, clientIds); });
    processors.setReplicate(false); // of several ranks only the leader knows what a request asked for
    config.setLogitsPostProcessorConfig(processors);
}

LogitsPostProcessor::LogitsPostProcessor(RequestHooks hooks)
    : mHooks(std::move(hooks)) {}

std::size_t LogitsPostProcessor::Item::vocabSize() const {
    auto const shape = host.getShape();
    return static_cast<std::size_t>(shape[shape.size() - 1]);
}

std::span<float> LogitsPostProcessor::Item::row(std::size_t index) {
    return floatsOf(host).subspan(index * vocabSize(), vocabSize());
}

std::span<Constraints::TokenId const> LogitsPostProcessor::Item::generated(std::size_t index) const {
    std::span<Constraints::TokenId const> const tokens = (*beams)[index];
    return tokens.subspan(std::min(extras->promptLength, tokens.size()));
}

template <typename Action> void LogitsPostProcessor::guard(std::optional<IdType> clientId, Action action) {
    try {
        action();
    } catch (std::exception const& error) {
        if (clientId) {
            mHooks.registry->fail(*clientId, toErrorMessage(error.what()));
        }
    }
}

void LogitsPostProcessor::run(std::vector<tle::Tensor>& logits,
    std::vector<std::reference_wrapper<Beams const>> const& tokens, tle::StreamPtr const& stream,
    std::vector<std::optional<IdType>> const& clientIds) {
    mItems.clear();
    for (std::size_t i = 0; i < clientIds.size(); ++i) {
        guard(clientIds[i], [&] { add(clientIds[i].value_or(0), logits[i], tokens[i].get(), stream); });
    }
    try {
        callJavaScript();
    } catch (std::exception const& error) { // out of memory
        for (Item const& item : mItems) {
            mHooks.registry->fail(item.clientId, toErrorMessage(error.what()));
        }
    }
    for (Item& item : mItems) {
        if (item.host != item.target) {
            guard(item.clientId, [&] { item.target.setFrom(item.host, stream); });
        }
    }
    mItems.clear();
}

void LogitsPostProcessor::add(
    IdType clientId, tle::Tensor const& logits, Beams const& beams, tle::StreamPtr const& stream) {
    auto extras = mHooks.registry->find(clientId);
    if (!extras || !extras->changesLogits()) {
        return;
    }
    if (logits.getDataType() != tle::DataType::kFP32 || logits.getShape().size() == 0 || logits.getSize() == 0) {
        throw std::runtime_error(
            "[ERR_UNSUPPORTED] constraints and logits processors need an engine with float32 logits");
    }
    Item item{clientId, std::move(extras), &beams, logits, isOnHost(logits) ? logits : logits.copyToCpu(stream), 0};
    // All dimensions but the last are beams; before the first token there may be fewer rows than beams.
    item.numRows = std::min(logits.getSize() / item.vocabSize(), beams.size());
    constrain(item);
    mItems.push_back(std::move(item));
}

void LogitsPostProcessor::constrain(Item& item) {
    if (!item.extras->constraints) {
        return;
    }
    for (std::size_t i = 0; i < item.numRows; ++i) {
        item.extras->constraints->apply(item.generated(i), item.row(i), mScratch);
    }
}

void LogitsPostProcessor::callJavaScript() {
    mBatch->clear();
    auto const wantsJavaScript = [](Item const& item) { return item.extras->logitsProcessor.has_value(); };
    for (Item& item : mItems | std::views::filter(wantsJavaScript)) {
        pack(item);
    }
    if (mBatch->keys.empty()) {
        return;
    }
    if (!mHooks.bridge->process(mBatch)) {
        mBatch = std::make_shared<LogitsBatch>(); // the old one may still be in use
        return;
    }
    for (Item& item : mItems | std::views::filter(wantsJavaScript)) {
        unpack(item);
    }
}

void LogitsPostProcessor::pack(Item& item) {
    item.batchOffset = mBatch->logits.size();
    mBatch->vocabSize = item.vocabSize();
    for (std::size_t i = 0; i < item.numRows; ++i) {
        auto const row = item.row(i);
        mBatch->logits.insert(mBatch->logits.end(), row.begin(), row.end());
        auto const tokens = item.generated(i);
        mBatch->tokens.insert(mBatch->tokens.end(), tokens.begin(), tokens.end());
        mBatch->tokenOffsets.push_back(static_cast<std::uint32_t>(mBatch->tokens.size()));
    }
    mBatch->rowOffsets.push_back(static_cast<std::uint32_t>(mBatch->tokenOffsets.size() - 1));
    mBatch->keys.push_back(*item.extras->logitsProcessor);
}

void LogitsPostProcessor::unpack(Item& item) {
    auto const changed = std::span(mBatch->logits).subspan(item.batchOffset, item.numRows * item.vocabSize());
    std::ranges::copy(changed, floatsOf(item.host).begin());
}

} // namespace trtllm_node
