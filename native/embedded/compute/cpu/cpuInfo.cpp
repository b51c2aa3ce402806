#include "compute/cpu/cpuInfo.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sched.h>
#include <set>
#include <string>
#include <thread>

namespace embedded::compute {

namespace {

namespace fs = std::filesystem;

std::string readLine(fs::path const& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

/// Quota over period, as whole CPUs; nothing for "max", -1 or a missing file.
std::optional<SizeType32> toCpus(std::string const& quota, std::string const& period) {
    try {
        double const cpus = std::stod(quota) / std::stod(period);
        if (cpus > 0 && cpus < 1e6) {
            return static_cast<SizeType32>(std::ceil(cpus));
        }
    } catch (std::logic_error const&) {
    }
    return std::nullopt;
}

std::optional<SizeType32> quotaOfGroupV2(fs::path const& folder) {
    std::string const line = readLine(folder / "cpu.max");
    auto const space = line.find(' ');
    return space == std::string::npos ? std::nullopt : toCpus(line.substr(0, space), line.substr(space + 1));
}

std::optional<SizeType32> quotaOfGroupV1(fs::path const& folder) {
    return toCpus(readLine(folder / "cpu.cfs_quota_us"), readLine(folder / "cpu.cfs_period_us"));
}

/// A container may show the host's group path without its folders, so missing levels are skipped up to the mount.
template <class ReadQuota>
std::optional<SizeType32> smallestQuota(fs::path const& mount, std::string const& group, ReadQuota readQuota) {
    std::optional<SizeType32> smallest = readQuota(mount);
    fs::path folder = mount;
    for (auto const& part : fs::path(group).relative_path()) {
        folder /= part;
        if (auto const quota = readQuota(folder)) {
            smallest = std::min(smallest.value_or(*quota), *quota);
        }
    }
    return smallest;
}

bool hasController(std::string const& list, std::string const& name) {
    return ("," + list + ",").find("," + name + ",") != std::string::npos;
}

/// One CPU number of each physical core that the mask allows; empty if the mask cannot be read.
std::set<std::string> allowedCores() {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    std::set<std::string> cores;
    if (sched_getaffinity(0, sizeof(mask), &mask) != 0) {
        return cores;
    }
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &mask)) {
            std::string const name = "cpu" + std::to_string(cpu);
            std::string const siblings = readLine("/sys/devices/system/cpu/" + name + "/topology/thread_siblings_list");
            cores.insert(siblings.empty() ? name : siblings);
        }
    }
    return cores;
}

} // namespace

std::optional<SizeType32> cgroupCpuLimit(fs::path const& root) {
    // Lines are "id:controllers:path"; version 2 is "0::path".
    std::ifstream groups(root / "proc/self/cgroup");
    std::optional<SizeType32> limit;
    for (std::string line; std::getline(groups, line);) {
        auto const first = line.find(':');
        auto const second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) {
            continue;
        }
        std::string const controllers = line.substr(first + 1, second - first - 1);
        std::string const group = line.substr(second + 1);
        std::optional<SizeType32> found;
        if (controllers.empty()) {
            found = smallestQuota(root / "sys/fs/cgroup", group, quotaOfGroupV2);
        } else if (hasController(controllers, "cpu")) {
            found = smallestQuota(root / "sys/fs/cgroup/cpu", group, quotaOfGroupV1);
        }
        if (found) {
            limit = std::min(limit.value_or(*found), *found);
        }
    }
    return limit;
}

SizeType32 defaultThreadCount() {
    auto const cores = allowedCores();
    auto const count = static_cast<SizeType32>(cores.empty() ? std::thread::hardware_concurrency() : cores.size());
    return std::max(1, std::min(count, cgroupCpuLimit("/").value_or(count)));
}

} // namespace embedded::compute
