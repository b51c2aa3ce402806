/// How errors cross the border: every message that JavaScript gets starts with "[ERR_…] ".
#pragma once

#include "napiSetup.h"

#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

namespace trtllm_node {

/// A wrong argument from JavaScript; arrives there as a TypeError.
class ArgumentError : public std::invalid_argument {
public:
    explicit ArgumentError(std::string const& text, std::string const& code = "ERR_INVALID_ARGUMENT")
        : std::invalid_argument("[" + code + "] " + text) {}
};

/// Puts the code in front of a runtime's message, unless it is there already, and drops the stack trace that NVIDIA's
/// messages carry.
[[nodiscard]] std::string toErrorMessage(std::string_view runtimeMessage);

/// What a caught exception looks like in JavaScript: its own exceptions unchanged, an ArgumentError as a TypeError.
[[nodiscard]] Napi::Error toJsError(Napi::Env env, std::exception const& error);

/// A native function as JavaScript calls it: no exception leaves it without its code.
template <Napi::Value (*function)(Napi::CallbackInfo const&)> Napi::Value guarded(Napi::CallbackInfo const& info) {
    try {
        return function(info);
    } catch (std::exception const& error) {
        throw toJsError(info.Env(), error);
    }
}

} // namespace trtllm_node
