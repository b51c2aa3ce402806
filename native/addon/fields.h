/// Reading JavaScript objects into C++ ones by tables of fields, a line per field:
///
///     constexpr std::tuple kFIELDS{
///         Field{"enableBlockReuse", &KvCacheConfig::setEnableBlockReuse},
///         Field{"maxTokens", &KvCacheConfig::setMaxTokens, kPOSITIVE},
///     };
///     readFields(object, "kvCacheConfig", config, kFIELDS);
///
/// A field is reached through a setter or a data member; a class without either is made by construct(). The type
/// comes from there too, and Reader says how it is read; a new type is a new specialisation of Reader. Absent and
/// undefined fields leave the target as it is. What is wrong throws ArgumentError with the path of the value:
/// "kvCacheConfig.maxTokens must be an integer in [1, 2147483647], got -1". JavaScript's own exceptions (a getter
/// that throws) pass through.
#pragma once

#include "errors.h"
#include "napiSetup.h"

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace trtllm_node {

/// The numbers from min to max, both excluded if open.
struct Range {
    double min;
    double max;
    bool open = false;
};

/// For integers of 32 bits.
inline constexpr Range kPOSITIVE{1, std::numeric_limits<std::int32_t>::max()};
/// Strictly between 0 and 1.
inline constexpr Range kFRACTION{0, 1, true};
/// JavaScript holds integers exactly up to here.
inline constexpr double kMAX_SAFE_INTEGER = 9007199254740991.0;

template <typename T> constexpr Range everyValue() {
    if constexpr (std::is_integral_v<T> && sizeof(T) == sizeof(std::uint64_t)) {
        return {std::is_signed_v<T> ? -kMAX_SAFE_INTEGER : 0, kMAX_SAFE_INTEGER};
    } else {
        return {
            static_cast<double>(std::numeric_limits<T>::lowest()), static_cast<double>(std::numeric_limits<T>::max())};
    }
}

/// @throws ArgumentError "<path> must be <expected>, got <value>".
[[noreturn]] void refuse(Napi::Value const& value, std::string const& path, std::string const& expected);

[[nodiscard]] std::string joinPath(std::string const& path, std::string_view name);
[[nodiscard]] Napi::Object requireObject(Napi::Value const& value, std::string const& path);
[[nodiscard]] Napi::Array requireArray(Napi::Value const& value, std::string const& path);
[[nodiscard]] Napi::Function requireFunction(Napi::Value const& value, std::string const& path);
[[nodiscard]] std::string requireString(Napi::Value const& value, std::string const& path);
[[nodiscard]] double requireNumber(
    Napi::Value const& value, std::string const& path, Range const& range, bool isInteger);
/// A number without fraction, or a BigInt for what a number cannot hold exactly.
[[nodiscard]] std::uint64_t requireUint64(Napi::Value const& value, std::string const& path);
/// @throws ArgumentError if the object has a key that is not among `names`.
void refuseUnknown(Napi::Object const& object, std::string const& path, std::initializer_list<char const*> names);

/// `static T read(Napi::Value const& value, std::string const& path)`.
template <typename T> struct Reader;

/// The JavaScript names of an enumeration, or of a class like one:
/// `static constexpr std::array<std::pair<char const*, T>, n> kNAMES`.
template <typename T> struct EnumNames;

template <typename T>
[[nodiscard]] T readValue(
    Napi::Value const& value, std::string const& path, std::optional<Range> const& range = std::nullopt) {
    if constexpr (std::is_same_v<T, std::uint64_t>) {
        return requireUint64(value, path);
    } else if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
        return static_cast<T>(requireNumber(value, path, range.value_or(everyValue<T>()), std::is_integral_v<T>));
    } else {
        return Reader<T>::read(value, path);
    }
}

template <> struct Reader<bool> { static bool read(Napi::Value const& value, std::string const& path); };

template <> struct Reader<std::string> {
    static std::string read(Napi::Value const& value, std::string const& path) { return requireString(value, path); }
};

template <> struct Reader<std::filesystem::path> {
    static std::filesystem::path read(Napi::Value const& value, std::string const& path);
};

/// An Int32Array; the values are copied.
template <> struct Reader<std::vector<std::int32_t>> {
    static std::vector<std::int32_t> read(Napi::Value const& value, std::string const& path);
};

/// The memory of a Uint8Array, not a copy: JavaScript must neither run nor collect the array while it is looked at,
/// unless somebody holds it.
using Bytes = std::span<std::uint8_t const>;

template <> struct Reader<Bytes> { static Bytes read(Napi::Value const& value, std::string const& path); };

/// An array of Int32Arrays.
template <> struct Reader<std::list<std::vector<std::int32_t>>> {
    static std::list<std::vector<std::int32_t>> read(Napi::Value const& value, std::string const& path);
};

template <typename T>
requires requires {
    EnumNames<T>::kNAMES;
}
struct Reader<T> {
    static T read(Napi::Value const& value, std::string const& path) {
        std::string choices;
        for (auto const& [name, choice] : EnumNames<T>::kNAMES) {
            if (value.IsString() && value.As<Napi::String>().Utf8Value() == name) {
                return choice;
            }
            choices += (choices.empty() ? "'" : ", '") + std::string(name) + "'";
        }
        refuse(value, path, "one of " + choices);
    }
};

namespace detail {

template <typename T> struct Bare { using Type = T; };

template <typename T> struct Bare<std::optional<T>> { using Type = T; };

/// The type behind a setter or a data member, without reference, const and optional.
template <typename Access> struct AccessType;

template <typename Target, typename T>
requires(!std::is_function_v<T>) struct AccessType<T Target::*> : Bare<T> {
};

template <typename Target, typename Parameter>
struct AccessType<void (Target::*)(Parameter)> : Bare<std::remove_cvref_t<Parameter>> {};

} // namespace detail

template <typename Access> struct Field {
    char const* name;
    Access access;
    std::optional<Range> range = std::nullopt;
    bool required = false;

    template <typename Target> void read(Napi::Object const& object, std::string const& path, Target& target) const {
        Napi::Value const value = object.Get(name);
        if (value.IsUndefined() && !required) {
            return;
        }
        auto read = readValue<typename detail::AccessType<Access>::Type>(value, joinPath(path, name), range);
        if constexpr (std::is_member_object_pointer_v<Access>) {
            target.*access = std::move(read);
        } else {
            (target.*access)(std::move(read));
        }
    }
};

/// A field that must be there.
template <typename Access> [[nodiscard]] constexpr Field<Access> required(char const* name, Access access) {
    return {name, access, std::nullopt, true};
}

/// A name that is known but was read before, for the target's constructor.
struct AlreadyRead {
    char const* name;

    template <typename Target> void read(Napi::Object const&, std::string const&, Target&) const {}
};

template <typename Target, typename... Fields>
void readFields(
    Napi::Object const& object, std::string const& path, Target& target, std::tuple<Fields...> const& table) {
    std::apply(
        [&](Fields const&... fields) {
            refuseUnknown(object, path, {fields.name...});
            (fields.read(object, path, target), ...);
        },
        table);
}

/// A constructor's parameter: its name and its default.
template <typename T> struct Parameter {
    char const* name;
    T fallback;
    std::optional<Range> range = std::nullopt;

    [[nodiscard]] T read(Napi::Object const& object, std::string const& path) const {
        Napi::Value const value = object.Get(name);
        return value.IsUndefined() ? fallback
                                   : readValue<typename detail::Bare<T>::Type>(value, joinPath(path, name), range);
    }
};

template <typename T> Parameter(char const*, T) -> Parameter<T>;
template <typename T> Parameter(char const*, T, Range) -> Parameter<T>;

/// For a class that has only a constructor.
template <typename Target, typename... Parameters>
[[nodiscard]] Target construct(Napi::Object const& object, std::string const& path, Parameters const&... parameters) {
    refuseUnknown(object, path, {parameters.name...});
    return Target{parameters.read(object, path)...}; // braces: read in this order
}

} // namespace trtllm_node
