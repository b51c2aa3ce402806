/// What the tests of the value classes share.
#pragma once

#include "tensorrt_llm/common/tllmException.h"

#include <gtest/gtest.h>

#include <string>

namespace tensorrt_llm::executor {

/// The text of the TllmException that the call throws, or "" if it throws nothing.
template <typename Call> std::string errorOf(Call const& call) {
    try {
        static_cast<void>(call());
        return {};
    } catch (common::TllmException const& error) {
        return error.what();
    }
}

/// The text of a failed argument check.
inline std::string invalid(std::string const& text) {
    return "[ERR_INVALID_ARGUMENT] " + text;
}

/// Sets a value and reads it back.
template <typename Object, typename Set, typename Get, typename Value>
void reads(Object& object, Set set, Get get, Value const& value) {
    (object.*set)(value);
    EXPECT_EQ((object.*get)(), value);
}

} // namespace tensorrt_llm::executor
