/// Argument checks with one form of message: "[CODE] name must be <limits>, got <value>".
#pragma once

#include "tensorrt_llm/common/tllmException.h"

#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace tensorrt_llm::executor::checks {

[[noreturn]] inline void fail(std::string_view code, std::string_view text) {
    throw common::TllmException("[" + std::string(code) + "] " + std::string(text));
}

/// Throws ERR_INVALID_ARGUMENT: "<name> must be <limits>, got <value>".
[[noreturn]] inline void reject(std::string_view name, std::string_view limits, std::string_view value) {
    fail("ERR_INVALID_ARGUMENT", std::string(name) + " must be " + std::string(limits) + ", got " + std::string(value));
}

/// The shortest text that reads back as the same number.
template <typename T> std::string toText(T value) {
    char text[64];
    return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

/// The values that a number may have. An end that is not given is open; a NaN is in no range with an end.
template <typename T> struct Range {
    std::optional<T> above{};
    std::optional<T> atLeast{};
    std::optional<T> below{};
    std::optional<T> atMost{};

    [[nodiscard]] constexpr bool contains(T value) const {
        return (!above || value > *above) && (!atLeast || value >= *atLeast) && (!below || value < *below)
            && (!atMost || value <= *atMost);
    }

    /// "> 0 and <= 1"
    [[nodiscard]] std::string describe() const {
        std::string text;
        auto const add = [&text](char const* sign, std::optional<T> const& limit) {
            text += limit ? (text.empty() ? "" : " and ") + std::string(sign) + toText(*limit) : "";
        };
        add("> ", above);
        add(">= ", atLeast);
        add("< ", below);
        add("<= ", atMost);
        return text;
    }
};

template <typename T> inline constexpr Range<T> kPOSITIVE{.above = T{0}};
template <typename T> inline constexpr Range<T> kNOT_NEGATIVE{.atLeast = T{0}};

/// Returns the value if it is in the range, else throws.
template <typename T>
T const& checked(std::string_view name, T const& value, std::type_identity_t<Range<T>> const& range) {
    if (!range.contains(value)) {
        reject(name, range.describe(), toText(value));
    }
    return value;
}

/// An unset value is always in range.
template <typename T>
std::optional<T> const& checked(
    std::string_view name, std::optional<T> const& value, std::type_identity_t<Range<T>> const& range) {
    if (value) {
        checked(name, *value, range);
    }
    return value;
}

/// Checks each element; the message names its index.
template <typename T>
std::vector<T> const& checked(
    std::string_view name, std::vector<T> const& values, std::type_identity_t<Range<T>> const& range) {
    for (std::size_t i = 0; i < values.size(); ++i) {
        checked(std::string(name) + "[" + toText(i) + "]", values[i], range);
    }
    return values;
}

/// Throws unless both are equal.
template <typename T> void checkEqual(std::string_view name, T const& value, std::type_identity_t<T> const& expected) {
    if (value != expected) {
        reject(name, toText(expected), toText(value));
    }
}

} // namespace tensorrt_llm::executor::checks
