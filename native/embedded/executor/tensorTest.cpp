#include "tensorrt_llm/executor/tensor.h"

#include "executor/valueTesting.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <numeric>
#include <vector>

namespace tensorrt_llm::executor {

namespace {

std::vector<std::int64_t> dimsOf(Tensor const& tensor) {
    auto const shape = tensor.getShape();
    return {shape.begin(), shape.end()};
}

std::vector<float> floatsOf(Tensor const& tensor) {
    auto const* data = static_cast<float const*>(tensor.getData());
    return {data, data + tensor.getSize()};
}

using Dims = std::vector<std::int64_t>;
using Floats = std::vector<float>;

} // namespace

TEST(Shape, IsAViewOfItsDims) {
    EXPECT_EQ(Shape().size(), 0);
    std::array<std::int64_t, 2> dims{2, 3};
    Shape const shape(dims.data(), dims.size());
    dims[1] = 5;
    EXPECT_EQ(shape.size(), 2);
    EXPECT_EQ(shape[1], 5);
    EXPECT_EQ(std::accumulate(shape.cbegin(), shape.cend(), 0), 7);
}

TEST(Tensor, EmptyIsNothing) {
    Tensor tensor;
    EXPECT_FALSE(tensor);
    EXPECT_EQ(tensor.getData(), nullptr);
    EXPECT_EQ(tensor.getDataType(), DataType::kUNKNOWN);
    EXPECT_EQ(tensor.getMemoryType(), MemoryType::kUNKNOWN);
    EXPECT_EQ(tensor.getShape().size(), 0);
    EXPECT_EQ(tensor.getSize(), 0);
    EXPECT_EQ(tensor.getSizeInBytes(), 0);
    EXPECT_TRUE(tensor == Tensor());
    auto const empty = invalid("the tensor is empty");
    EXPECT_EQ(errorOf([&] { return tensor.copyToCpu(); }), empty);
    EXPECT_EQ(errorOf([&] { return tensor.setZero(), 0; }), empty);
    EXPECT_EQ(errorOf([&] { return tensor.setFrom(Tensor::cpu<float>({1})), 0; }), empty);
    EXPECT_EQ(errorOf([&] { return Tensor::cpu<float>({1}).setFrom(tensor), 0; }), empty);
}

TEST(Tensor, FactoriesReportTheirMemory) {
    struct Case {
        Tensor tensor;
        Tensor copy;
        MemoryType memoryType;
    };
    auto const source = Tensor::cpu<float>({2, 3});
    Case const cases[]{
        {Tensor::cpu(DataType::kFP32, {2, 3}), source.copyToCpu(), MemoryType::kCPU},
        {Tensor::cpu<float>({2, 3}), source.copyToCpu(), MemoryType::kCPU},
        {Tensor::pinned<float>({2, 3}), source.copyToPinned(), MemoryType::kCPU_PINNED},
        {Tensor::pooledPinned<float>({2, 3}), source.copyToPooledPinned(), MemoryType::kCPU_PINNEDPOOL},
        {Tensor::managed<float>({2, 3}), source.copyToManaged(), MemoryType::kUVM},
    };
    for (auto const& [tensor, copy, memoryType] : cases) {
        for (auto const& each : {tensor, copy}) {
            EXPECT_TRUE(each);
            EXPECT_EQ(each.getMemoryType(), memoryType);
            EXPECT_EQ(each.getDataType(), DataType::kFP32);
            EXPECT_EQ(dimsOf(each), (Dims{2, 3}));
            EXPECT_EQ(each.getSize(), 6);
            EXPECT_EQ(each.getSizeInBytes(), 24);
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(each.getData()) % 64, 0);
        }
        EXPECT_TRUE(copy != source);
    }
}

TEST(Tensor, RefusesWhatItCannotHold) {
    constexpr auto kHUGE = std::int64_t{1} << 40;
    struct Case {
        DataType dataType;
        std::vector<std::int64_t> dims;
        std::string error;
    };
    Case const cases[]{
        {DataType::kINT8, {1, 1, 1, 1, 1, 1, 1, 1}, ""},
        {DataType::kINT8, {1, 1, 1, 1, 1, 1, 1, 1, 1}, invalid("rank must be <= 8, got 9")},
        {DataType::kINT8, {2, 0}, ""},
        {DataType::kINT8, {2, -1}, invalid("extent must be >= 0, got -1")},
        {DataType::kINT64, {kHUGE, kHUGE}, invalid("the shape has more bytes than memory can have")},
        {DataType::kUNKNOWN, {1}, invalid("dataType must be a known type, got UNKNOWN")},
    };
    for (auto const& [dataType, dims, error] : cases) {
        EXPECT_EQ(errorOf([&] { return Tensor::cpu(dataType, {dims.data(), dims.size()}); }), error);
    }
}

TEST(Tensor, HasNoGpuMemory) {
    std::string const error = "[ERR_UNSUPPORTED] this runtime has no GPU tensors: use host memory";
    EXPECT_EQ(errorOf([] { return Tensor::gpu(DataType::kFP32, nullptr, {1}); }), error);
    EXPECT_EQ(errorOf([] { return Tensor::gpu<float>(nullptr, {1}); }), error);
    EXPECT_EQ(errorOf([] { return Tensor::cpu<float>({1}).copyToGpu(nullptr); }), error);
}

TEST(Tensor, RankZeroIsOneElement) {
    EXPECT_EQ(Tensor::cpu<float>().getSize(), 1);
    EXPECT_EQ(Tensor::cpu<float>({0}).getSize(), 0);
}

TEST(Tensor, WrapsMemoryOfTheCaller) {
    std::vector<float> values{1, 2, 3, 4};
    auto tensor = Tensor::of(values);
    EXPECT_EQ(tensor.getData(), values.data());
    EXPECT_EQ(tensor.getMemoryType(), MemoryType::kCPU);
    EXPECT_EQ(dimsOf(tensor), Dims{4});
    EXPECT_EQ(dimsOf(Tensor::of(values.data(), {2, 2})), (Dims{2, 2}));
    EXPECT_EQ(Tensor::of(DataType::kINT8, values.data(), {16}).getSizeInBytes(), 16);

    tensor.setZero();
    EXPECT_EQ(values, (Floats{0, 0, 0, 0}));
    EXPECT_EQ(errorOf([] { return Tensor::of<float>(nullptr, {1}); }),
        invalid("data must be memory of the shape's size, got null"));
    EXPECT_TRUE(Tensor::of<float>(nullptr, {0}));
}

TEST(Tensor, CopiesShareTheBuffer) {
    auto tensor = Tensor::cpu<float>({2});
    tensor.setZero();
    auto shared = tensor;
    auto const deep = tensor.copyToCpu();
    static_cast<float*>(shared.getData())[0] = 7;
    EXPECT_TRUE(shared == tensor);
    EXPECT_FALSE(shared != tensor);
    EXPECT_EQ(floatsOf(tensor), (Floats{7, 0}));
    EXPECT_FALSE(deep == tensor);
    EXPECT_EQ(floatsOf(deep), (Floats{0, 0}));
}

TEST(Tensor, SetFromTakesShapeAndElements) {
    Floats values{1, 2, 3, 4, 5, 6};
    auto const source = Tensor::of(values.data(), {2, 3});
    auto target = Tensor::pinned<float>({1});
    auto const shared = target;
    target.setFrom(source);
    EXPECT_EQ(floatsOf(shared), values);
    EXPECT_EQ(dimsOf(shared), (Dims{2, 3}));
    EXPECT_EQ(target.getMemoryType(), MemoryType::kCPU_PINNED);
    target.setFrom(target);
    EXPECT_EQ(floatsOf(target), values);
    target.setFrom(Tensor::cpu<float>({0}));
    EXPECT_EQ(target.getSize(), 0);
}

TEST(Tensor, SetFromRefusesOtherTypesAndTooMuch) {
    Floats small(2);
    auto wrapper = Tensor::of(small);
    wrapper.setFrom(Tensor::cpu<float>({1}));
    EXPECT_EQ(dimsOf(wrapper), Dims{1});
    wrapper.setFrom(Tensor::cpu<float>({2})); // what it wraps is still of its old size
    EXPECT_EQ(errorOf([&] { return wrapper.setFrom(Tensor::cpu<float>({3})), 0; }),
        invalid("size of the source must be at most the 8 bytes that the tensor wraps, got 12"));
    EXPECT_EQ(dimsOf(wrapper), Dims{2});
    EXPECT_EQ(errorOf([&] { return wrapper.setFrom(Tensor::cpu<std::int32_t>({2})), 0; }),
        invalid("element type of the source must be FP32, got INT32"));
}

} // namespace tensorrt_llm::executor
