/// Typed access to the fields of one config.json. A JSON null counts as absent.
#pragma once

#include "model/modelError.h"

#include "tensorrt_llm/executor/types.h"

#include <array>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace embedded {

template <typename T> struct Named {
    std::string_view name;
    T value;
};

/// Every method takes the path of a field, "quantization.quant_algo" for one in an object, and names it in its errors.
class ConfigReader {
public:
    /// @throws ModelError if the file cannot be read or is not a JSON object
    explicit ConfigReader(std::filesystem::path file);

    /// @param name for errors
    ConfigReader(std::filesystem::path name, std::string const& text);

    [[nodiscard]] bool has(std::string const& field) const { return !find(field).is_null(); }

    /// An integer in [least, 2^24].
    /// @throws ModelError if it is missing or another value
    [[nodiscard]] tensorrt_llm::executor::SizeType32 size(std::string const& field, std::int64_t least = 1) const;
    [[nodiscard]] tensorrt_llm::executor::SizeType32 sizeOr(
        std::string const& field, tensorrt_llm::executor::SizeType32 fallback) const;

    [[nodiscard]] bool flag(std::string const& field, bool fallback) const;

    /// A number above 0.
    [[nodiscard]] float positive(std::string const& field) const;

    /// A number in [0, 1), or `false`, which NVIDIA's converter writes for 0.
    [[nodiscard]] float epsilon(std::string const& field) const;

    /// @throws ModelError if the field is missing or no string, UnsupportedModelError if it is none of the names
    template <typename T, std::size_t N>
    [[nodiscard]] T oneOf(std::string const& field, std::array<Named<T>, N> const& choices) const {
        auto const value = text(field);
        std::string names;
        for (auto const& choice : choices) {
            if (choice.name == value) {
                return choice.value;
            }
            names += (names.empty() ? "" : ", ") + std::string(choice.name);
        }
        throw unsupported(field, "must be one of " + names + ", is " + value);
    }

    /// @throws UnsupportedModelError if the field, or if absent the loader's default, is not what this runtime computes
    void require(std::string const& field, nlohmann::json const& wanted, nlohmann::json const& fallback) const;
    void requireAbsent(std::string const& field) const;

    [[nodiscard]] ModelError error(std::string const& field, std::string const& what) const;
    [[nodiscard]] UnsupportedModelError unsupported(std::string const& field, std::string const& what) const;

private:
    [[nodiscard]] nlohmann::json const& find(std::string const& field) const;
    [[nodiscard]] nlohmann::json const& at(std::string const& field) const;
    [[nodiscard]] std::string text(std::string const& field) const;

    std::filesystem::path mFile;
    nlohmann::json mJson;
};

} // namespace embedded
