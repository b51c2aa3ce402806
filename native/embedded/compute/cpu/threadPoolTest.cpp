#include "compute/cpu/threadPool.h"

#include "compute/cpu/cpuInfo.h"

#include <array>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace embedded::compute {
namespace {

/// How often each task ran.
std::vector<int> runCounts(SizeType32 maxThreads, std::int64_t numTasks) {
    std::vector<std::atomic<int>> counts(static_cast<std::size_t>(numTasks));
    ThreadPool::instance().parallelFor(maxThreads, numTasks, [&](std::int64_t task, SizeType32 slot) {
        EXPECT_LT(slot, std::max(maxThreads, 1));
        counts[static_cast<std::size_t>(task)].fetch_add(1);
    });
    return {counts.begin(), counts.end()};
}

TEST(ThreadPool, RunsEachTaskOnce) {
    for (SizeType32 const threads : {0, 1, 2, 3, 8}) {
        for (std::int64_t const tasks : {0, 1, 2, 7, 1000}) {
            EXPECT_EQ(runCounts(threads, tasks), std::vector<int>(static_cast<std::size_t>(tasks), 1))
                << threads << " threads";
        }
    }
}

TEST(ThreadPool, SlotsAreExclusive) {
    std::array<std::atomic<bool>, 4> taken{};
    for (int call = 0; call < 200; ++call) {
        ThreadPool::instance().parallelFor(4, 50, [&](std::int64_t, SizeType32 slot) {
            EXPECT_FALSE(taken[static_cast<std::size_t>(slot)].exchange(true));
            taken[static_cast<std::size_t>(slot)] = false;
        });
    }
}

/// Fewer threads after more: a worker that wakes up late must not take a slot that the later call does not have.
TEST(ThreadPool, CallsOfDifferentWidth) {
    for (int call = 0; call < 500; ++call) {
        runCounts(8, 16);
        runCounts(2, 16);
    }
}

TEST(ThreadPool, NestedCallsFromTwoThreads) {
    auto const nested = [] {
        for (int call = 0; call < 50; ++call) {
            std::atomic<int> count{0};
            ThreadPool::instance().parallelFor(3, 10, [&](std::int64_t, SizeType32) {
                ThreadPool::instance().parallelFor(3, 10, [&](std::int64_t, SizeType32) { count.fetch_add(1); });
            });
            EXPECT_EQ(count, 100);
        }
    };
    std::thread other(nested);
    nested();
    other.join();
}

TEST(ThreadPool, ResultsAreVisibleToTheCaller) {
    std::vector<int> squares(5000); // not atomic: a race is for the thread sanitizer to find
    for (int call = 0; call < 100; ++call) {
        ThreadPool::instance().parallelFor(4, std::ssize(squares), [&](std::int64_t task, SizeType32) {
            squares[static_cast<std::size_t>(task)] = static_cast<int>(task) + call;
        });
        for (std::size_t i = 0; i < squares.size(); ++i) {
            ASSERT_EQ(squares[i], static_cast<int>(i) + call);
        }
    }
}

/// Past the spin time, so that the workers sleep in between.
TEST(ThreadPool, WakesSleepingWorkers) {
    for (int call = 0; call < 20; ++call) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        EXPECT_EQ(runCounts(3, 100), std::vector<int>(100, 1));
    }
}

TEST(CpuInfo, AtLeastOneThread) {
    EXPECT_GE(defaultThreadCount(), 1);
    EXPECT_LE(defaultThreadCount(), static_cast<SizeType32>(std::thread::hardware_concurrency()));
}

TEST(CpuInfo, SmallestQuotaOfTheGroups) {
    struct Case {
        char const* groups;
        std::vector<std::pair<char const*, char const*>> files;
        std::optional<SizeType32> expected;
    };
    Case const cases[] = {
        {"", {}, std::nullopt},
        {"0::/a/b\n", {{"a/b/cpu.max", "max 100000"}}, std::nullopt},
        {"0::/a/b\n", {{"a/b/cpu.max", "400000 100000"}, {"a/cpu.max", "150000 100000"}}, 2},
        {"0::/gone/b\n", {{"cpu.max", "50000 100000"}}, 1},
        {"0::/\n", {{"cpu.max", "nonsense"}}, std::nullopt},
        {"3:cpu,cpuacct:/a\n2:cpuset:/a\n",
            {{"cpu/a/cpu.cfs_quota_us", "250000"}, {"cpu/a/cpu.cfs_period_us", "100000"}}, 3},
        {"3:cpu:/a\n", {{"cpu/a/cpu.cfs_quota_us", "-1"}, {"cpu/a/cpu.cfs_period_us", "100000"}}, std::nullopt},
    };
    namespace fs = std::filesystem;
    fs::path const root = fs::temp_directory_path() / ("cpuInfoTest" + std::to_string(getpid()));
    for (auto const& [groups, files, expected] : cases) {
        auto const write = [&](fs::path const& path, char const* text) {
            fs::create_directories(path.parent_path());
            std::ofstream(path) << text;
        };
        write(root / "proc/self/cgroup", groups);
        for (auto const& [path, text] : files) {
            write(root / "sys/fs/cgroup" / path, text);
        }
        EXPECT_EQ(cgroupCpuLimit(root), expected) << groups;
        fs::remove_all(root);
    }
}

} // namespace
} // namespace embedded::compute
