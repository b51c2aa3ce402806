#include "executor/hostMemory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

namespace embedded {

namespace {

constexpr std::uint64_t kUNLIMITED = std::numeric_limits<std::uint64_t>::max();

std::uint64_t systemAvailable() {
    std::ifstream meminfo("/proc/meminfo");
    std::string key;
    std::uint64_t kibibytes = 0;
    std::string unit;
    while (meminfo >> key >> kibibytes >> unit) {
        if (key == "MemAvailable:") {
            return kibibytes * 1024;
        }
    }
    return kUNLIMITED;
}

/// A file with one number; empty where there is none ("max" or no such file).
std::optional<std::uint64_t> readNumber(std::string const& path) {
    std::ifstream file(path);
    std::uint64_t number = 0;
    return file >> number ? std::optional(number) : std::nullopt;
}

/// The process's path within a hierarchy: of v2 ("0::/a/b") or of a v1 controller ("5:memory:/a/b").
std::string groupPath(std::string const& marker) {
    std::ifstream groups("/proc/self/cgroup");
    std::string line;
    while (std::getline(groups, line)) {
        auto const at = line.find(marker);
        if (at != std::string::npos) {
            return line.substr(at + marker.size());
        }
    }
    return "";
}

std::uint64_t headroom(std::string const& folder, char const* limitName, char const* usageName) {
    auto const limit = readNumber(folder + "/" + limitName);
    auto const usage = readNumber(folder + "/" + usageName);
    return limit && usage ? *limit - std::min(*limit, *usage) : kUNLIMITED;
}

/// The tightest limit from the process's group up to the root.
std::uint64_t groupHeadroom(std::string const& mount, std::string path, char const* limitName, char const* usageName) {
    std::uint64_t least = headroom(mount, limitName, usageName);
    while (!path.empty() && path != "/") {
        least = std::min(least, headroom(mount + path, limitName, usageName));
        path.erase(path.rfind('/'));
    }
    return least;
}

} // namespace

std::uint64_t availableHostMemory() {
    auto const v2 = groupHeadroom("/sys/fs/cgroup", groupPath("0::"), "memory.max", "memory.current");
    auto const v1 =
        groupHeadroom("/sys/fs/cgroup/memory", groupPath(":memory:"), "memory.limit_in_bytes", "memory.usage_in_bytes");
    return std::min({systemAvailable(), v2, v1});
}

} // namespace embedded
