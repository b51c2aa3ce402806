#include "tensors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace tle = tensorrt_llm::executor;

namespace trtllm_node {
namespace {

std::vector<float> floatsOfHalves(tle::DataType type, std::vector<std::uint16_t> bits) {
    auto const count = static_cast<tle::Shape::DimType64>(bits.size());
    auto const floats = toHostFloats(tle::Tensor::of(type, bits.data(), {1, count}), "logits");
    EXPECT_EQ(floats.getDataType(), tle::DataType::kFP32);
    EXPECT_EQ(extent(floats, 0), 1U);
    EXPECT_EQ(extent(floats, 1), bits.size());
    EXPECT_EQ(extent(floats, 2), 1U);
    auto const values = floatsOf(floats);
    return {values.begin(), values.end()};
}

TEST(Tensors, Float16) {
    // one, minus two, largest, smallest normal, smallest, zero, minus infinity
    auto const values =
        floatsOfHalves(tle::DataType::kFP16, {0x3C00, 0xC000, 0x7BFF, 0x0400, 0x0001, 0x0000, 0xFC00, 0x7E00});
    EXPECT_EQ(std::vector(values.begin(), values.end() - 1),
        (std::vector{1.0F, -2.0F, 65504.0F, std::ldexp(1.0F, -14), std::ldexp(1.0F, -24), 0.0F, -INFINITY}));
    EXPECT_TRUE(std::isnan(values.back()));
}

TEST(Tensors, BFloat16) {
    EXPECT_EQ(floatsOfHalves(tle::DataType::kBF16, {0x3F80, 0xC000, 0x3FC0, 0xFF80}),
        (std::vector{1.0F, -2.0F, 1.5F, -INFINITY}));
}

TEST(Tensors, Float32IsNotCopiedOnTheHost) {
    tle::Tensor const tensor = tle::Tensor::cpu(tle::DataType::kFP32, {2, 3});
    EXPECT_EQ(toHostFloats(tensor, "logits"), tensor);
    EXPECT_TRUE(isOnHost(tle::Tensor::pinned(tle::DataType::kFP32, {1})));
}

TEST(Tensors, FromOtherMemoryIsCopied) {
    tle::Tensor managed = tle::Tensor::managed(tle::DataType::kFP32, {3});
    std::ranges::fill(floatsOf(managed), 7.0F);
    EXPECT_FALSE(isOnHost(managed));
    tle::Tensor const host = toHostFloats(managed, "logits");
    EXPECT_TRUE(isOnHost(host));
    EXPECT_EQ(floatsOf(host)[2], 7.0F);
}

TEST(Tensors, OtherElementTypesAreRefusedByName) {
    try {
        std::ignore = toHostFloats(tle::Tensor::cpu(tle::DataType::kINT8, {2}), "encoderOutput");
        FAIL();
    } catch (std::runtime_error const& error) {
        EXPECT_NE(std::string(error.what()).find("[ERR_UNSUPPORTED] encoderOutput must be float32"), std::string::npos);
    }
}

} // namespace
} // namespace trtllm_node
