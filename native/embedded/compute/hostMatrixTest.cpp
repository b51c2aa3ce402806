#include "compute/hostMatrix.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <vector>

namespace embedded::compute {
namespace {

TEST(HostMatrix, RoundsToNearestEvenBf16) {
    struct Case {
        std::uint32_t fp32;
        std::uint16_t bf16;
    };
    for (auto const& [fp32, bf16] : {Case{0x3F800000, 0x3F80}, Case{0x3F808000, 0x3F80}, Case{0x3F818000, 0x3F82},
             Case{0x3F808001, 0x3F81}, Case{0xBF808001, 0xBF81}, Case{0x7F7FFFFF, 0x7F80}, Case{0x7F800000, 0x7F80},
             Case{0xFF800000, 0xFF80}, Case{0x7F800001, 0x7FC0}, Case{0x00000001, 0x0000}, Case{0x80000000, 0x8000}}) {
        EXPECT_EQ(toBf16(std::bit_cast<float>(fp32)), bf16) << std::hex << fp32;
    }
}

TEST(HostMatrix, ReadsEachSourceType) {
    std::uint16_t const fp16[] = {0x3C00, 0xC000, 0x0001, 0x8400, 0x7BFF, 0x7C00, 0xFC00, 0x0000};
    std::uint16_t const bf16[] = {0x3F80, 0xC000, 0x0001, 0x8080};
    float values[8];
    readValues({fp16, DataType::kFP16, 2, 4}, 0, 8, values);
    constexpr float kINFINITY = std::numeric_limits<float>::infinity();
    float const expected[] = {1, -2, 0x1p-24F, -0x1p-14F, 65504, kINFINITY, -kINFINITY, 0};
    EXPECT_TRUE(std::equal(values, values + 8, expected));
    std::uint16_t const nan = 0x7E01;
    readValues({&nan, DataType::kFP16, 1, 1}, 0, 1, values);
    EXPECT_TRUE(std::isnan(values[0]));
    readValues({bf16, DataType::kBF16, 1, 4}, 1, 3, values);
    EXPECT_EQ(values[0], -2);
    EXPECT_EQ(values[2], -0x1p-126F);
}

TEST(HostMatrix, ReadsEveryFp8Value) {
    for (int bits = 0; bits < 256; ++bits) {
        auto const byte = static_cast<std::uint8_t>(bits);
        float value = 0;
        readValues({&byte, DataType::kFP8, 1, 1}, 0, 1, &value);
        int const exponent = bits >> 3 & 15;
        int const mantissa = bits & 7;
        float const magnitude = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -9)
                                              : std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
        if (exponent == 15 && mantissa == 7) {
            EXPECT_TRUE(std::isnan(value)) << bits;
        } else {
            EXPECT_EQ(value, bits < 128 ? magnitude : -magnitude) << bits;
            EXPECT_EQ(std::signbit(value), bits >= 128) << bits;
        }
    }
}

TEST(HostMatrix, ScalesAllValuesOrEachRow) {
    std::int8_t const values[] = {1, -2, 127, -128, 5, 6};
    std::vector<float> const one{0.5F};
    std::vector<float> const perRow{2, 10};
    float output[4];
    readValues({values, DataType::kINT8, 2, 3, one}, 1, 4, output);
    EXPECT_TRUE(std::ranges::equal(output, std::vector<float>{-1, 63.5F, -64, 2.5F}));
    readValues({values, DataType::kINT8, 2, 3, perRow}, 1, 4, output);
    EXPECT_TRUE(std::ranges::equal(output, std::vector<float>{-4, 254, -1280, 50}));
    EXPECT_THROW(checkSource({values, DataType::kINT8, 3, 2, perRow}), std::invalid_argument);
}

} // namespace
} // namespace embedded::compute
