/// What the C++ tests share: where test data lies, and folders of their own.
#pragma once

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>

namespace embedded::testing {

/// test/goldens of the repository.
inline std::filesystem::path goldens() {
    return TRTLLM_NODE_GOLDENS;
}

/// A fresh folder that is removed with the object.
class TemporaryFolder {
public:
    TemporaryFolder() {
        static std::atomic<int> counter = 0;
        auto const name = "trtllm-node-test-" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
        mPath = std::filesystem::temp_directory_path() / name;
        std::filesystem::create_directories(mPath);
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(mPath, ignored);
    }
    TemporaryFolder(TemporaryFolder const&) = delete;
    TemporaryFolder& operator=(TemporaryFolder const&) = delete;

    [[nodiscard]] std::filesystem::path const& path() const { return mPath; }

    std::filesystem::path write(std::string const& name, std::string const& content) const {
        std::ofstream(mPath / name, std::ios::binary) << content;
        return mPath / name;
    }

private:
    std::filesystem::path mPath;
};

/// The what() of the exception that `action` throws, or "" if it throws none.
template <typename Action> std::string errorOf(Action const& action) {
    try {
        action();
    } catch (std::exception const& error) {
        return error.what();
    }
    return "";
}

} // namespace embedded::testing
