#pragma once

#include <cstddef>

namespace tensorrt_llm::common {

/// A pointer and a length that walk like a container. Owns nothing: the array must outlive the view.
template <typename T> class ArrayView {
public:
    using value_type = T;
    using size_type = std::size_t;
    using reference = value_type&;
    using const_reference = value_type const&;
    using pointer = value_type*;
    using const_pointer = value_type const*;
    using iterator = pointer;
    using const_iterator = const_pointer;

    ArrayView(T* data, size_type size)
        : mData(data)
        , mSize(size) {}

    [[nodiscard]] iterator begin() { return mData; }
    [[nodiscard]] iterator end() { return mData + mSize; }
    [[nodiscard]] const_iterator begin() const { return mData; }
    [[nodiscard]] const_iterator end() const { return mData + mSize; }
    [[nodiscard]] const_iterator cbegin() const { return mData; }
    [[nodiscard]] const_iterator cend() const { return mData + mSize; }

    [[nodiscard]] size_type size() const { return mSize; }

    /// REQUIRES: index < size(). Not checked.
    [[nodiscard]] reference operator[](size_type index) { return mData[index]; }
    [[nodiscard]] const_reference operator[](size_type index) const { return mData[index]; }

private:
    T* mData;
    size_type mSize;
};

} // namespace tensorrt_llm::common
