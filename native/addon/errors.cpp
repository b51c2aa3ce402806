#include "errors.h"

#include <algorithm>
#include <array>

namespace trtllm_node {
namespace {

struct KnownMessage {
    std::string_view fragment;
    std::string_view code;
};

/// NVIDIA's messages have no codes, and their wording around these fragments differs between releases.
constexpr std::array kKNOWN_MESSAGES{
    KnownMessage{"Maximum queue size of", "ERR_QUEUE_FULL"},
    KnownMessage{"Shutdown called", "ERR_CLOSED"},
    KnownMessage{"Must set crossKvCacheFraction", "ERR_INVALID_ARGUMENT"},
    KnownMessage{"mInputTokenIds.empty()", "ERR_INVALID_ARGUMENT"},
    KnownMessage{"mMaxNewTokens > 0", "ERR_INVALID_ARGUMENT"},
    KnownMessage{"Incorrect sampling config", "ERR_INVALID_ARGUMENT"},
    KnownMessage{"exceeds maximum input length", "ERR_INVALID_ARGUMENT"},
    KnownMessage{"exceeds maximum encoder input length", "ERR_INVALID_ARGUMENT"},
    KnownMessage{"is larger than configured max beam width", "ERR_INVALID_ARGUMENT"},
    KnownMessage{"max utilization scheduler", "ERR_UNSUPPORTED"},
    KnownMessage{"not found in cache", "ERR_LORA_NOT_FOUND"},
    KnownMessage{"Cache is full", "ERR_LORA_CACHE_FULL"},
    KnownMessage{"Invalid low_rank", "ERR_LORA_INVALID"},
    KnownMessage{"not enabled for this model", "ERR_LORA_INVALID"},
    KnownMessage{"lora_weights", "ERR_LORA_INVALID"},
    KnownMessage{"lora_keys", "ERR_LORA_INVALID"},
    KnownMessage{"lora weights", "ERR_LORA_INVALID"},
    KnownMessage{"layerId to be in the range", "ERR_LORA_INVALID"},
    KnownMessage{"adapterSize to be > 0", "ERR_LORA_INVALID"},
    KnownMessage{"LoRA cache to hold 1 max sized LoRA", "ERR_INVALID_ARGUMENT"},
    KnownMessage{"bad_alloc", "ERR_OUT_OF_MEMORY"},
    KnownMessage{"out of memory", "ERR_OUT_OF_MEMORY"},
};

std::string_view codeOf(std::string_view message) {
    auto const known = std::find_if(kKNOWN_MESSAGES.begin(), kKNOWN_MESSAGES.end(),
        [message](KnownMessage const& entry) { return message.find(entry.fragment) != std::string_view::npos; });
    return known == kKNOWN_MESSAGES.end() ? "ERR_RUNTIME" : known->code;
}

} // namespace

std::string toErrorMessage(std::string_view runtimeMessage) {
    if (runtimeMessage.starts_with("[ERR_")) {
        return std::string(runtimeMessage);
    }
    // The stack trace begins on the second line.
    auto const firstLine = runtimeMessage.substr(0, runtimeMessage.find('\n'));
    return std::string("[").append(codeOf(firstLine)).append("] ").append(firstLine);
}

Napi::Error toJsError(Napi::Env env, std::exception const& error) {
    if (auto const* jsError = dynamic_cast<Napi::Error const*>(&error)) {
        return *jsError;
    }
    if (dynamic_cast<ArgumentError const*>(&error) != nullptr) {
        return Napi::TypeError::New(env, error.what());
    }
    return Napi::Error::New(env, toErrorMessage(error.what()));
}

} // namespace trtllm_node
