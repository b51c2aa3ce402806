#include "fields.h"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace trtllm_node {
namespace {

std::string show(Napi::Value const& value) {
    switch (value.Type()) {
    case napi_string:
        return "'" + value.As<Napi::String>().Utf8Value().substr(0, 80) + "'";
    case napi_object:
        return value.IsArray() ? "an array" : "an object";
    case napi_function:
        return "a function";
    case napi_symbol:
        return "a symbol";
    case napi_external:
        return "an external";
    default:
        return value.ToString();
    }
}

/// Integers in full, fractions as short as they can be told.
std::string show(double number) {
    std::ostringstream text;
    text.precision(std::floor(number) == number ? 17 : 6);
    text << number;
    return text.str();
}

std::string describe(Range const& range, bool isInteger) {
    if (range.max == std::numeric_limits<float>::max() || range.max == std::numeric_limits<double>::max()) {
        return "a finite number";
    }
    return std::string(isInteger ? "an integer in " : "a number in ") + (range.open ? "(" : "[") + show(range.min)
        + ", " + show(range.max) + (range.open ? ")" : "]");
}

bool contains(Range const& range, double number) {
    return range.open ? number > range.min && number < range.max : number >= range.min && number <= range.max;
}

} // namespace

void refuse(Napi::Value const& value, std::string const& path, std::string const& expected) {
    throw ArgumentError(path + " must be " + expected + ", got " + show(value));
}

std::string joinPath(std::string const& path, std::string_view name) {
    return path.empty() ? std::string(name) : path + "." + std::string(name);
}

Napi::Object requireObject(Napi::Value const& value, std::string const& path) {
    if (value.Type() != napi_object || value.IsArray()) {
        refuse(value, path, "an object");
    }
    return value.As<Napi::Object>();
}

Napi::Array requireArray(Napi::Value const& value, std::string const& path) {
    if (!value.IsArray()) {
        refuse(value, path, "an array");
    }
    return value.As<Napi::Array>();
}

Napi::Function requireFunction(Napi::Value const& value, std::string const& path) {
    if (!value.IsFunction()) {
        refuse(value, path, "a function");
    }
    return value.As<Napi::Function>();
}

std::string requireString(Napi::Value const& value, std::string const& path) {
    if (!value.IsString()) {
        refuse(value, path, "a string");
    }
    return value.As<Napi::String>().Utf8Value();
}

double requireNumber(Napi::Value const& value, std::string const& path, Range const& range, bool isInteger) {
    double const number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
    // Comparisons with NaN are false, so contains() refuses it.
    if (!contains(range, number) || (isInteger && std::floor(number) != number)) {
        refuse(value, path, describe(range, isInteger));
    }
    return number;
}

std::uint64_t requireUint64(Napi::Value const& value, std::string const& path) {
    if (!value.IsBigInt()) {
        return static_cast<std::uint64_t>(requireNumber(value, path, everyValue<std::uint64_t>(), true));
    }
    bool isLossless = false;
    auto const number = value.As<Napi::BigInt>().Uint64Value(&isLossless);
    if (!isLossless) {
        refuse(value, path, "an integer of 64 bits without sign");
    }
    return number;
}

void refuseUnknown(Napi::Object const& object, std::string const& path, std::initializer_list<char const*> names) {
    Napi::Array const keys = object.GetPropertyNames();
    for (std::uint32_t i = 0; i < keys.Length(); ++i) {
        std::string const key = Napi::Value(keys[i]).ToString();
        if (std::find(names.begin(), names.end(), key) == names.end()) {
            throw ArgumentError("unknown option " + joinPath(path, key), "ERR_UNKNOWN_OPTION");
        }
    }
}

bool Reader<bool>::read(Napi::Value const& value, std::string const& path) {
    if (!value.IsBoolean()) {
        refuse(value, path, "true or false");
    }
    return value.As<Napi::Boolean>();
}

std::filesystem::path Reader<std::filesystem::path>::read(Napi::Value const& value, std::string const& path) {
    std::string const text = requireString(value, path);
    // The file system would silently stop at a zero byte.
    if (text.empty() || text.find('\0') != std::string::npos) {
        refuse(value, path, "a path");
    }
    return text;
}

Bytes Reader<Bytes>::read(Napi::Value const& value, std::string const& path) {
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
        refuse(value, path, "a Uint8Array");
    }
    auto const array = value.As<Napi::Uint8Array>();
    return {array.Data(), array.ByteLength()};
}

std::vector<std::int32_t> Reader<std::vector<std::int32_t>>::read(Napi::Value const& value, std::string const& path) {
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
        refuse(value, path, "an Int32Array");
    }
    auto const array = value.As<Napi::Int32Array>();
    return {array.Data(), array.Data() + array.ElementLength()};
}

std::list<std::vector<std::int32_t>> Reader<std::list<std::vector<std::int32_t>>>::read(
    Napi::Value const& value, std::string const& path) {
    Napi::Array const array = requireArray(value, path);
    std::list<std::vector<std::int32_t>> lists;
    for (std::uint32_t i = 0; i < array.Length(); ++i) {
        lists.push_back(Reader<std::vector<std::int32_t>>::read(array[i], path + "[" + std::to_string(i) + "]"));
    }
    return lists;
}

} // namespace trtllm_node
