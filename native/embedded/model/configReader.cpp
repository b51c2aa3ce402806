#include "model/configReader.h"

#include <fstream>
#include <iterator>

namespace embedded {

using nlohmann::json;
using tensorrt_llm::executor::SizeType32;

namespace {

constexpr std::int64_t kMAX_SIZE = 1 << 24;

std::string readText(std::filesystem::path const& file) {
    std::ifstream stream(file);
    if (!stream) {
        throw ModelError(file, "", "cannot be opened");
    }
    return {std::istreambuf_iterator<char>(stream), {}};
}

} // namespace

ConfigReader::ConfigReader(std::filesystem::path file)
    : ConfigReader(file, readText(file)) {}

ConfigReader::ConfigReader(std::filesystem::path name, std::string const& text)
    : mFile(std::move(name))
    , mJson(json::parse(text, nullptr, false)) {
    if (!mJson.is_object()) {
        throw ModelError(mFile, "", "not a JSON object");
    }
}

json const& ConfigReader::find(std::string const& field) const {
    static json const kABSENT;
    auto const dot = field.find('.');
    json const& object = dot == std::string::npos ? mJson : find(field.substr(0, dot));
    auto const found = object.is_object() ? object.find(field.substr(dot + 1)) : object.end();
    return found == object.end() ? kABSENT : *found;
}

json const& ConfigReader::at(std::string const& field) const {
    json const& value = find(field);
    if (value.is_null()) {
        throw error(field, "is missing");
    }
    return value;
}

SizeType32 ConfigReader::size(std::string const& field, std::int64_t least) const {
    auto const& value = at(field);
    if (!value.is_number_integer() || value.get<std::int64_t>() < least || value.get<std::int64_t>() > kMAX_SIZE) {
        throw error(field,
            "must be an integer in [" + std::to_string(least) + ", " + std::to_string(kMAX_SIZE) + "], is "
                + value.dump());
    }
    return value.get<SizeType32>();
}

SizeType32 ConfigReader::sizeOr(std::string const& field, SizeType32 fallback) const {
    return has(field) ? size(field) : fallback;
}

bool ConfigReader::flag(std::string const& field, bool fallback) const {
    if (!has(field)) {
        return fallback;
    }
    if (!at(field).is_boolean()) {
        throw error(field, "must be a boolean, is " + at(field).dump());
    }
    return at(field).get<bool>();
}

float ConfigReader::positive(std::string const& field) const {
    auto const& value = at(field);
    if (!value.is_number() || !(value.get<double>() > 0)) {
        throw error(field, "must be a number above 0, is " + value.dump());
    }
    return value.get<float>();
}

float ConfigReader::epsilon(std::string const& field) const {
    auto const& value = at(field);
    if (value.is_boolean() && !value.get<bool>()) {
        return 0.0F;
    }
    if (!value.is_number() || value.get<double>() < 0 || value.get<double>() >= 1) {
        throw error(field, "must be a number in [0, 1) or false, is " + value.dump());
    }
    return value.get<float>();
}

std::string ConfigReader::text(std::string const& field) const {
    if (!at(field).is_string()) {
        throw error(field, "must be a string, is " + at(field).dump());
    }
    return at(field).get<std::string>();
}

void ConfigReader::require(std::string const& field, json const& wanted, json const& fallback) const {
    json const& value = has(field) ? find(field) : fallback;
    if (value != wanted) {
        throw unsupported(field, "must be " + wanted.dump() + ", is " + value.dump());
    }
}

void ConfigReader::requireAbsent(std::string const& field) const {
    if (has(field)) {
        throw unsupported(field, "must be null, is " + find(field).dump());
    }
}

ModelError ConfigReader::error(std::string const& field, std::string const& what) const {
    return {mFile, field, what};
}

UnsupportedModelError ConfigReader::unsupported(std::string const& field, std::string const& what) const {
    return {mFile, field, what};
}

} // namespace embedded
