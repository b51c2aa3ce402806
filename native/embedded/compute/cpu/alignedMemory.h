/// Memory for weights, activations and caches: 64-byte aligned, owned, never resized.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <sys/mman.h>

namespace embedded::compute {

inline constexpr std::size_t kALIGNMENT = 64;

/// Large blocks are mappings of their own: committed page by page on first write and returned to the system as a whole,
/// so that loading and closing models leaves no holes in the heap. The content is undefined. Move-only.
class AlignedMemory {
public:
    AlignedMemory()
        : mData(nullptr, Release{0}) {}

    /// @throws std::bad_alloc
    explicit AlignedMemory(std::size_t bytes)
        : mData(allocate(bytes), Release{bytes}) {}

    template <class T> [[nodiscard]] T* as() const { return static_cast<T*>(mData.get()); }

    [[nodiscard]] std::size_t bytes() const { return mData.get_deleter().bytes; }

private:
    static constexpr std::size_t kMAPPED_FROM = 64 * 1024;

    struct Release {
        std::size_t bytes;

        void operator()(void* data) const noexcept {
            if (bytes >= kMAPPED_FROM) {
                munmap(data, bytes);
            } else {
                ::operator delete (data, std::align_val_t{kALIGNMENT});
            }
        }
    };

    static void* allocate(std::size_t bytes) {
        if (bytes < kMAPPED_FROM) {
            return ::operator new (bytes, std::align_val_t{kALIGNMENT});
        }
        void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (data == MAP_FAILED) {
            throw std::bad_alloc();
        }
        return data;
    }

    std::unique_ptr<void, Release> mData;
};

} // namespace embedded::compute
