#include "model/mappedFile.h"

#include "model/modelError.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace embedded {

namespace {

class FileDescriptor {
public:
    explicit FileDescriptor(std::filesystem::path const& path)
        : mFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
        if (mFd < 0) {
            throw ModelError(path, "", std::generic_category().message(errno));
        }
    }
    ~FileDescriptor() { ::close(mFd); }
    FileDescriptor(FileDescriptor const&) = delete;
    FileDescriptor& operator=(FileDescriptor const&) = delete;
    [[nodiscard]] int get() const { return mFd; }

private:
    int mFd;
};

} // namespace

MappedFile::MappedFile(std::filesystem::path const& path) {
    FileDescriptor const file(path);
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) {
        throw ModelError(path, "", std::generic_category().message(errno));
    }
    if (!S_ISREG(status.st_mode) || status.st_size == 0) {
        throw ModelError(path, "", S_ISREG(status.st_mode) ? "the file is empty" : "not a regular file");
    }
    auto const size = static_cast<std::size_t>(status.st_size);
    void* const address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (address == MAP_FAILED) {
        throw ModelError(path, "", "cannot be mapped: " + std::generic_category().message(errno));
    }
    mBytes = {static_cast<std::byte const*>(address), size};
}

MappedFile::~MappedFile() {
    if (!mBytes.empty()) {
        ::munmap(const_cast<std::byte*>(mBytes.data()), mBytes.size());
    }
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : mBytes(std::exchange(other.mBytes, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
    std::swap(mBytes, other.mBytes);
    return *this;
}

} // namespace embedded
