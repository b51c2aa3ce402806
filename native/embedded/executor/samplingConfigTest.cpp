#include "tensorrt_llm/executor/samplingConfig.h"

#include "executor/valueTesting.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <tuple>
#include <type_traits>
#include <utility>

namespace tensorrt_llm::executor {

namespace {

using Int = std::optional<SizeType32>;
using Float = std::optional<FloatType>;
using Seed = std::optional<RandomSeedType>;
using Array = std::optional<std::vector<SizeType32>>;

/// The constructor's parameters in order.
using Arguments = std::tuple<SizeType32, Int, Float, Float, Int, Float, Seed, Float, Int, Float, Float, Float, Float,
    Int, Float, Int, Int, Int, Float, Array>;

/// Constructs with one argument at its position (from 1), the others unset.
template <std::size_t Position, typename T> SamplingConfig construct(std::optional<T> const& value) {
    Arguments arguments;
    std::get<0>(arguments) = 1;
    std::get<Position - 1>(arguments) = value;
    return std::make_from_tuple<SamplingConfig>(arguments);
}

/// One optional field, reached through the constructor and through its setter.
template <typename T> struct Field {
    char const* name;
    SamplingConfig (*construct)(std::optional<T> const&);
    void (SamplingConfig::*set)(std::optional<T> const&);
    std::optional<T> (SamplingConfig::*get)() const;
    std::vector<T> accepted;
    std::vector<T> rejected{};
    char const* limits{""};
    bool setterChecks{true};
};

template <typename T> void checkField(Field<T> const& field) {
    SCOPED_TRACE(field.name);
    SamplingConfig config;
    EXPECT_EQ((config.*field.get)(), std::nullopt);
    for (T const value : field.accepted) {
        EXPECT_EQ((field.construct(value).*field.get)(), value);
        (config.*field.set)(value);
        EXPECT_EQ((config.*field.get)(), value);
        EXPECT_TRUE(config == field.construct(value));
        EXPECT_FALSE(config == SamplingConfig());
    }
    for (T const value : field.rejected) {
        auto const before = config;
        auto const expected = std::string(field.name) + " must be " + field.limits + ", got ";
        auto const set = [&] { return (config.*field.set)(value), 0; };
        EXPECT_EQ(errorOf([&] { return field.construct(value); }).rfind(invalid(expected), 0), 0) << value;
        EXPECT_EQ(errorOf(set).empty(), !field.setterChecks) << value;
        EXPECT_EQ(config == before, field.setterChecks);
    }
    (config.*field.set)(std::nullopt);
    EXPECT_TRUE(config == SamplingConfig());
}

constexpr auto kMAX_INT = std::numeric_limits<SizeType32>::max();
constexpr FloatType kTINY = std::numeric_limits<FloatType>::min();
constexpr FloatType kABOVE_ONE = 1.0F + std::numeric_limits<FloatType>::epsilon();

} // namespace

TEST(SamplingConfig, DefaultIsGreedy) {
    SamplingConfig const config;
    EXPECT_EQ(config.getBeamWidth(), 1);
    EXPECT_EQ(config.getNumReturnBeams(), 1);
    EXPECT_EQ(config.getBeamWidthArray(), std::nullopt);
    static_assert(!std::is_convertible_v<SizeType32, SamplingConfig>);
}

TEST(SamplingConfig, IntegerFields) {
    using S = SamplingConfig;
    std::vector<SizeType32> const fromZero{0, 1, kMAX_INT};
    std::vector<SizeType32> const negative{-1};
    Field<SizeType32> const fields[]{
        {"topK", construct<2>, &S::setTopK, &S::getTopK, fromZero, negative, ">= 0"},
        {"topPResetIds", construct<5>, &S::setTopPResetIds, &S::getTopPResetIds, fromZero, negative, ">= 0"},
        {"minTokens", construct<9>, &S::setMinTokens, &S::getMinTokens, fromZero, negative, ">= 0"},
        {"promptIgnoreLength", construct<14>, &S::setPromptIgnoreLength, &S::getPromptIgnoreLength, fromZero, negative,
            ">= 0"},
        {"earlyStopping", construct<16>, &S::setEarlyStopping, &S::getEarlyStopping, fromZero, negative, ">= 0", false},
        {"noRepeatNgramSize", construct<17>, &S::setNoRepeatNgramSize, &S::getNoRepeatNgramSize, fromZero, negative,
            ">= 0"},
        {"numReturnSequences", construct<18>, &S::setNumReturnSequences, &S::getNumReturnSequences, {1, kMAX_INT},
            {0, -1}, "> 0"},
    };
    for (auto const& field : fields) {
        checkField(field);
    }
    checkField<RandomSeedType>({"seed", construct<7>, &S::setSeed, &S::getSeed, {0, UINT64_MAX}});
}

TEST(SamplingConfig, FloatFields) {
    using S = SamplingConfig;
    auto const nan = std::nanf("");
    std::vector<FloatType> const any{-1e30F, 0.0F, 1e30F};
    std::vector<FloatType> const fromZero{0.0F, kTINY, 1e30F};
    std::vector<FloatType> const negative{-kTINY, nan};
    std::vector<FloatType> const outsideUnit{-kTINY, kABOVE_ONE, nan};
    Field<FloatType> const fields[]{
        {"topP", construct<3>, &S::setTopP, &S::getTopP, {kTINY, 1.0F}, {0.0F, kABOVE_ONE, nan}, "> 0 and <= 1"},
        {"topPMin", construct<4>, &S::setTopPMin, &S::getTopPMin, {0.0F, 1.0F}, outsideUnit, ">= 0 and <= 1"},
        {"topPDecay", construct<6>, &S::setTopPDecay, &S::getTopPDecay, {kTINY, 1.0F}, {0.0F, kABOVE_ONE, nan},
            "> 0 and <= 1"},
        {"temperature", construct<8>, &S::setTemperature, &S::getTemperature, fromZero, negative, ">= 0"},
        {"beamSearchDiversityRate", construct<10>, &S::setBeamSearchDiversityRate, &S::getBeamSearchDiversityRate,
            fromZero, negative, ">= 0"},
        {"repetitionPenalty", construct<11>, &S::setRepetitionPenalty, &S::getRepetitionPenalty, {kTINY, 1e30F},
            {0.0F, nan}, "> 0"},
        {"presencePenalty", construct<12>, &S::setPresencePenalty, &S::getPresencePenalty, any},
        {"frequencyPenalty", construct<13>, &S::setFrequencyPenalty, &S::getFrequencyPenalty, any},
        {"lengthPenalty", construct<15>, &S::setLengthPenalty, &S::getLengthPenalty, fromZero, {-kTINY}, ">= 0", false},
        {"minP", construct<19>, &S::setMinP, &S::getMinP, {0.0F, 1.0F}, outsideUnit, ">= 0 and <= 1"},
    };
    for (auto const& field : fields) {
        checkField(field);
    }
}

TEST(SamplingConfig, BeamWidth) {
    for (auto const width : {1, 2, 1024}) {
        EXPECT_EQ(SamplingConfig(width).getBeamWidth(), width);
    }
    for (auto const width : {0, -1, 1025}) {
        auto const error = invalid("beamWidth must be >= 1 and <= 1024, got " + std::to_string(width));
        EXPECT_EQ(errorOf([&] { return SamplingConfig(width); }), error);
        EXPECT_EQ(errorOf([&] { return SamplingConfig().setBeamWidth(width), 0; }), error);
    }
}

TEST(SamplingConfig, NumReturnBeams) {
    struct Case {
        SizeType32 beamWidth;
        Int numReturnSequences;
        SizeType32 expected;
    };
    Case const cases[]{{1, {}, 1}, {1, 5, 1}, {4, {}, 4}, {4, 1, 1}, {4, 3, 3}, {4, 4, 4}};
    for (auto const& [beamWidth, numReturnSequences, expected] : cases) {
        SamplingConfig config(beamWidth);
        config.setNumReturnSequences(numReturnSequences);
        EXPECT_EQ(config.getNumReturnBeams(), expected);
    }
    SamplingConfig config(4);
    EXPECT_EQ(errorOf([&] { return config.setNumReturnSequences(5), 0; }),
        invalid("numReturnSequences must be > 0 and <= 4, got 5"));
    config.setNumReturnSequences(3);
    config.setBeamWidth(2);
    EXPECT_EQ(config.getNumReturnSequences(), 3);
    EXPECT_EQ(config.getNumReturnBeams(), 2);
    config.setBeamWidth(8);
    EXPECT_EQ(config.getNumReturnBeams(), 3);
}

TEST(SamplingConfig, BeamWidthArray) {
    EXPECT_EQ(construct<20>(Array(std::in_place, {2, 5, 3})).getBeamWidth(), 5);
    SamplingConfig config(8);
    config.setBeamWidthArray(Array(std::in_place, {1023}));
    EXPECT_EQ(config.getBeamWidth(), 1023);
    config.setBeamWidthArray(std::nullopt);
    EXPECT_EQ(config.getBeamWidthArray(), std::nullopt);
    EXPECT_EQ(config.getBeamWidth(), 1023);

    std::pair<Array, char const*> const cases[]{
        {Array(std::in_place, 8, 1), ""},
        {Array(std::in_place, 9, 1), "beamWidthArray length must be >= 1 and <= 8, got 9"},
        {Array(std::in_place), "beamWidthArray length must be >= 1 and <= 8, got 0"},
        {Array(std::in_place, {1, 0}), "beamWidthArray[1] must be > 0 and < 1024, got 0"},
        {Array(std::in_place, {1024}), "beamWidthArray[0] must be > 0 and < 1024, got 1024"},
    };
    for (auto const& [array, text] : cases) {
        auto const error = *text ? invalid(text) : "";
        EXPECT_EQ(errorOf([&, &value = array] { return construct<20>(value); }), error);
        EXPECT_EQ(errorOf([&, &value = array] { return config.setBeamWidthArray(value), 0; }), error);
    }
}

TEST(SamplingConfig, BeamWidthArrayLimitsNumReturnSequences) {
    Arguments arguments;
    std::get<0>(arguments) = 1;
    std::get<17>(arguments) = 3;
    std::get<19>(arguments) = {2, 3};
    EXPECT_EQ(std::make_from_tuple<SamplingConfig>(arguments).getNumReturnBeams(), 3);
    std::get<17>(arguments) = 4;
    EXPECT_EQ(errorOf([&] { return std::make_from_tuple<SamplingConfig>(arguments); }),
        invalid("numReturnSequences must be > 0 and <= 3, got 4"));
}

} // namespace tensorrt_llm::executor
