/// A read-only memory-mapped file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace embedded {

/// Pages are read on first use and dropped by the operating system under pressure. Move-only.
class MappedFile {
public:
    /// @throws ModelError if the file cannot be opened, read or mapped, or is empty
    explicit MappedFile(std::filesystem::path const& path);
    ~MappedFile();
    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&& other) noexcept;
    MappedFile(MappedFile const&) = delete;
    MappedFile& operator=(MappedFile const&) = delete;

    [[nodiscard]] std::span<std::byte const> bytes() const { return mBytes; }

private:
    std::span<std::byte const> mBytes;
};

} // namespace embedded
