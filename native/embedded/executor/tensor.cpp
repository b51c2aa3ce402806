#include "tensorrt_llm/executor/tensor.h"

#include "executor/checks.h"
#include "executor/dataType.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <new>

namespace tensorrt_llm::executor {

namespace detail {

namespace {

using checks::checked;
using checks::fail;
using checks::reject;

constexpr std::size_t kMAX_RANK = 8;
constexpr std::align_val_t kALIGNMENT{64};

struct AlignedDelete {
    void operator()(void* memory) const { ::operator delete(memory, kALIGNMENT); }
};

using AlignedMemory = std::unique_ptr<void, AlignedDelete>;

std::size_t elementSize(DataType dataType) {
    auto const size = infoOf(dataType).size;
    if (size == 0) {
        reject("dataType", "a known type", infoOf(dataType).name);
    }
    return size;
}

/// Number of elements of a valid shape.
std::size_t volume(Shape const& shape, std::size_t bytesPerElement) {
    checked("rank", shape.size(), {.atMost = kMAX_RANK});
    auto const limit = static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) / bytesPerElement;
    std::size_t count = 1;
    for (auto const dim : shape) {
        auto const extent = static_cast<std::size_t>(checked("extent", dim, checks::kNOT_NEGATIVE<DimType64>));
        if (extent != 0 && count > limit / extent) {
            fail("ERR_INVALID_ARGUMENT", "the shape has more bytes than memory can have");
        }
        count *= extent;
    }
    return count;
}

} // namespace

/// The buffer that copies of a Tensor share. Either owns its memory or wraps that of the caller.
class TensorStorage {
public:
    TensorStorage(MemoryType memoryType, DataType dataType, Shape const& shape)
        : TensorStorage(memoryType, dataType) {
        reshape(shape);
    }

    TensorStorage(DataType dataType, void* data, Shape const& shape)
        : TensorStorage(MemoryType::kCPU, dataType) {
        mCapacity = volume(shape, mElementSize) * mElementSize;
        if (data == nullptr && mCapacity > 0) {
            reject("data", "memory of the shape's size", "null");
        }
        mData = data;
        mIsWrapper = true;
        reshape(shape);
    }

    /// Grows owned memory where needed; the elements are lost then.
    void reshape(Shape const& shape) {
        auto const size = volume(shape, mElementSize);
        auto const bytes = size * mElementSize;
        if (bytes > mCapacity) {
            grow(bytes);
        }
        std::copy(shape.begin(), shape.end(), mDims.begin());
        mRank = shape.size();
        mSize = size;
    }

    [[nodiscard]] void* data() const { return mData; }
    [[nodiscard]] DataType dataType() const { return mDataType; }
    [[nodiscard]] MemoryType memoryType() const { return mMemoryType; }
    [[nodiscard]] Shape shape() const { return {mDims.data(), mRank}; }
    [[nodiscard]] std::size_t size() const { return mSize; }
    [[nodiscard]] std::size_t sizeInBytes() const { return mSize * mElementSize; }

private:
    TensorStorage(MemoryType memoryType, DataType dataType)
        : mDataType(dataType)
        , mMemoryType(memoryType)
        , mElementSize(elementSize(dataType)) {}

    void grow(std::size_t bytes) {
        if (mIsWrapper) {
            reject("size of the source", "at most the " + checks::toText(mCapacity) + " bytes that the tensor wraps",
                checks::toText(bytes));
        }
        mOwned = AlignedMemory(::operator new(bytes, kALIGNMENT));
        mData = mOwned.get();
        mCapacity = bytes;
    }

    DataType mDataType;
    MemoryType mMemoryType;
    std::size_t mElementSize;
    std::array<DimType64, kMAX_RANK> mDims{};
    std::size_t mRank{0};
    std::size_t mSize{0};
    std::size_t mCapacity{0};
    AlignedMemory mOwned;
    void* mData{nullptr};
    bool mIsWrapper{false};
};

namespace {

TensorStorage& notEmpty(std::shared_ptr<TensorStorage> const& storage) {
    if (!storage) {
        fail("ERR_INVALID_ARGUMENT", "the tensor is empty");
    }
    return *storage;
}

[[noreturn]] void failWithoutGpu() {
    fail("ERR_UNSUPPORTED", "this runtime has no GPU tensors: use host memory");
}

} // namespace

} // namespace detail

Tensor Tensor::allocate(MemoryType memoryType, DataType dataType, Shape shape) {
    return Tensor(std::make_shared<detail::TensorStorage>(memoryType, dataType, shape));
}

Tensor Tensor::cpu(DataType dataType, Shape shape) {
    return allocate(MemoryType::kCPU, dataType, shape);
}

Tensor Tensor::pinned(DataType dataType, Shape shape) {
    return allocate(MemoryType::kCPU_PINNED, dataType, shape);
}

Tensor Tensor::pooledPinned(DataType dataType, Shape shape) {
    return allocate(MemoryType::kCPU_PINNEDPOOL, dataType, shape);
}

Tensor Tensor::managed(DataType dataType, Shape shape) {
    return allocate(MemoryType::kUVM, dataType, shape);
}

Tensor Tensor::gpu(DataType, CudaStreamPtr, Shape) {
    detail::failWithoutGpu();
}

Tensor Tensor::of(DataType dataType, void* data, Shape shape) {
    return Tensor(std::make_shared<detail::TensorStorage>(dataType, data, shape));
}

Tensor Tensor::copyTo(MemoryType memoryType) const {
    auto const& source = detail::notEmpty(mStorage);
    auto copy = allocate(memoryType, source.dataType(), source.shape());
    copy.setFrom(*this);
    return copy;
}

Tensor Tensor::copyToCpu(CudaStreamPtr) const {
    return copyTo(MemoryType::kCPU);
}

Tensor Tensor::copyToPinned(CudaStreamPtr) const {
    return copyTo(MemoryType::kCPU_PINNED);
}

Tensor Tensor::copyToPooledPinned(CudaStreamPtr) const {
    return copyTo(MemoryType::kCPU_PINNEDPOOL);
}

Tensor Tensor::copyToManaged(CudaStreamPtr) const {
    return copyTo(MemoryType::kUVM);
}

Tensor Tensor::copyToGpu(CudaStreamPtr) const {
    detail::failWithoutGpu();
}

void* Tensor::getData() {
    return mStorage ? mStorage->data() : nullptr;
}

void const* Tensor::getData() const {
    return mStorage ? mStorage->data() : nullptr;
}

DataType Tensor::getDataType() const {
    return mStorage ? mStorage->dataType() : DataType::kUNKNOWN;
}

MemoryType Tensor::getMemoryType() const {
    return mStorage ? mStorage->memoryType() : MemoryType::kUNKNOWN;
}

Shape Tensor::getShape() const {
    return mStorage ? mStorage->shape() : Shape();
}

std::size_t Tensor::getSize() const {
    return mStorage ? mStorage->size() : 0;
}

std::size_t Tensor::getSizeInBytes() const {
    return mStorage ? mStorage->sizeInBytes() : 0;
}

void Tensor::setZero(CudaStreamPtr) {
    auto& storage = detail::notEmpty(mStorage);
    if (storage.size() > 0) {
        std::memset(storage.data(), 0, storage.sizeInBytes());
    }
}

void Tensor::setFrom(Tensor const& other, CudaStreamPtr) {
    auto& target = detail::notEmpty(mStorage);
    auto const& source = detail::notEmpty(other.mStorage);
    if (target.dataType() != source.dataType()) {
        checks::reject("element type of the source", infoOf(target.dataType()).name, infoOf(source.dataType()).name);
    }
    if (&target == &source) {
        return;
    }
    target.reshape(source.shape());
    if (source.size() > 0) {
        std::memmove(target.data(), source.data(), source.sizeInBytes()); // wrapped memory may overlap
    }
}

} // namespace tensorrt_llm::executor
