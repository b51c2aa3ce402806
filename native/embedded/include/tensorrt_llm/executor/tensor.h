/// Arrays that cross the API: inputs given as features or biases, adapter weights, logits and encoder output.
///
/// This runtime works in host memory: pinned, pooled-pinned and managed tensors are plain host memory that reports the
/// kind it was asked for, and nothing lies on a GPU. Stream arguments are accepted and ignored.
#pragma once

#include "tensorrt_llm/common/arrayView.h"
#include "tensorrt_llm/executor/types.h"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <type_traits>
#include <utility>

namespace tensorrt_llm::executor {

namespace detail {
using DimType64 = std::int64_t;
class TensorStorage;
} // namespace detail

/// The extents of a Tensor, outermost first. A view: it never owns its numbers, so braces are safe only directly in a
/// call, and the shape of a tensor is valid only while that tensor lives and keeps its shape.
class Shape : public tensorrt_llm::common::ArrayView<detail::DimType64 const> {
public:
    using Base = tensorrt_llm::common::ArrayView<detail::DimType64 const>;
    using DimType64 = typename std::remove_cv_t<Base::value_type>;

    /// Rank 0.
    Shape()
        : Base(nullptr, 0) {}

    Shape(DimType64 const* data, Base::size_type size)
        : Base(data, size) {}

    Shape(std::initializer_list<DimType64> dims)
        : Base(dims.begin(), dims.size()) {}
};

/// A typed, contiguous, row-major array, or nothing at all. Copies share the buffer; copyToX() copies the elements.
///
/// Thread-safety: as a shared_ptr; access to the elements is the caller's to order.
///
/// Every factory throws TllmException for DataType::kUNKNOWN, a rank above 8, a negative extent, or a size in bytes
/// that does not fit. A rank of 0 is a scalar: one element.
class Tensor {
public:
    using CudaStreamPtr = std::shared_ptr<runtime::CudaStream>;

    /// New, uninitialised memory, aligned to 64 bytes.
    static Tensor cpu(DataType dataType, Shape shape = {});
    static Tensor pinned(DataType dataType, Shape shape = {});
    static Tensor pooledPinned(DataType dataType, Shape shape = {});
    static Tensor managed(DataType dataType, Shape shape = {});
    /// Always throws: this runtime has no GPU memory.
    static Tensor gpu(DataType dataType, CudaStreamPtr stream, Shape shape = {});

    template <typename T> static Tensor cpu(Shape shape = {}) { return cpu(dataTypeOf<T>(), shape); }

    template <typename T> static Tensor pinned(Shape shape = {}) { return pinned(dataTypeOf<T>(), shape); }

    template <typename T> static Tensor pooledPinned(Shape shape = {}) { return pooledPinned(dataTypeOf<T>(), shape); }

    template <typename T> static Tensor managed(Shape shape = {}) { return managed(dataTypeOf<T>(), shape); }

    template <typename T> static Tensor gpu(CudaStreamPtr stream, Shape shape = {}) {
        return gpu(dataTypeOf<T>(), std::move(stream), shape);
    }

    /// Wraps memory of the caller, who keeps it alive as long as any copy of the tensor. Reports MemoryType::kCPU.
    /// Throws if data is null although the shape has elements.
    static Tensor of(DataType dataType, void* data, Shape shape);

    template <typename T> static Tensor of(T* data, Shape shape) {
        return of(dataTypeOf<T>(), static_cast<void*>(data), shape);
    }

    /// Wraps a contiguous container (anything with data() and size()) as a tensor of rank 1.
    template <typename T> static Tensor of(T& data) {
        return of(data.data(), {static_cast<Shape::DimType64>(data.size())});
    }

    /// A copy of the elements in new memory of the named kind. Throw on an empty tensor; copyToGpu() always throws.
    [[nodiscard]] Tensor copyToCpu(Tensor::CudaStreamPtr stream = nullptr) const;
    [[nodiscard]] Tensor copyToPinned(Tensor::CudaStreamPtr stream = nullptr) const;
    [[nodiscard]] Tensor copyToPooledPinned(Tensor::CudaStreamPtr stream = nullptr) const;
    [[nodiscard]] Tensor copyToManaged(Tensor::CudaStreamPtr stream = nullptr) const;
    [[nodiscard]] Tensor copyToGpu(Tensor::CudaStreamPtr stream) const;

    /// The empty tensor: null data, unknown type and memory, rank 0, size 0, false.
    Tensor() noexcept = default;
    ~Tensor() = default;
    Tensor(Tensor const& other) noexcept = default;
    Tensor(Tensor&& other) noexcept = default;
    Tensor& operator=(Tensor const& other) noexcept = default;
    Tensor& operator=(Tensor&& other) noexcept = default;

    /// Null for the empty tensor; may be null if there are no elements.
    [[nodiscard]] void* getData();
    [[nodiscard]] void const* getData() const;
    [[nodiscard]] DataType getDataType() const;
    [[nodiscard]] MemoryType getMemoryType() const;
    [[nodiscard]] Shape getShape() const;
    /// Number of elements.
    [[nodiscard]] std::size_t getSize() const;
    [[nodiscard]] std::size_t getSizeInBytes() const;

    /// Sets every byte to zero. Throws on an empty tensor.
    void setZero(CudaStreamPtr stream = nullptr);

    /// Takes the shape and the elements of `other`. Throws if either tensor is empty, if the element types differ, or
    /// if this tensor wraps memory of the caller that is too small.
    void setFrom(Tensor const& other, CudaStreamPtr stream = nullptr);

    /// Whether there is a buffer.
    explicit operator bool() const { return mStorage != nullptr; }

    /// Whether both share one buffer, whatever the elements are.
    bool operator==(Tensor const& rhs) const { return mStorage == rhs.mStorage; }
    bool operator!=(Tensor const& rhs) const { return !(*this == rhs); }

private:
    explicit Tensor(std::shared_ptr<detail::TensorStorage> storage)
        : mStorage(std::move(storage)) {}

    template <typename T> static constexpr DataType dataTypeOf() { return TypeTraits<std::remove_cv_t<T>>::value; }

    static Tensor allocate(MemoryType memoryType, DataType dataType, Shape shape);
    [[nodiscard]] Tensor copyTo(MemoryType memoryType) const;

    std::shared_ptr<detail::TensorStorage> mStorage;
};

} // namespace tensorrt_llm::executor
