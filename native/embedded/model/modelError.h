/// Errors of model files: every message names the file and the tensor or field.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>

namespace embedded {

class ModelError : public std::runtime_error {
public:
    /// @param subject the tensor or field, empty for the file as a whole
    ModelError(std::filesystem::path const& file, std::string const& subject, std::string const& what)
        : std::runtime_error(
            "[ERR_MODEL_INVALID] " + file.string() + (subject.empty() ? "" : ", " + subject) + ": " + what) {}
};

/// A well-formed model that this runtime does not run.
class UnsupportedModelError : public std::runtime_error {
public:
    UnsupportedModelError(std::filesystem::path const& file, std::string const& subject, std::string const& what)
        : std::runtime_error("[ERR_UNSUPPORTED] " + file.string() + ", " + subject + ": " + what) {}
};

} // namespace embedded
