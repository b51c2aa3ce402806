#include "tensorrt_llm/executor/samplingConfig.h"

#include "executor/checks.h"

namespace tensorrt_llm::executor {

namespace {

using checks::checked;
using checks::kNOT_NEGATIVE;
using checks::kPOSITIVE;
using checks::Range;

constexpr SizeType32 kMAX_BEAM_WIDTH = 1024;
constexpr std::size_t kMAX_BEAM_WIDTH_ARRAY_LENGTH = 8;
constexpr Range<FloatType> kPROBABILITY{.atLeast = 0.0F, .atMost = 1.0F};
constexpr Range<FloatType> kPROBABILITY_NOT_ZERO{.above = 0.0F, .atMost = 1.0F};

} // namespace

SamplingConfig::SamplingConfig(SizeType32 beamWidth, std::optional<SizeType32> const& topK,
    std::optional<FloatType> const& topP, std::optional<FloatType> const& topPMin,
    std::optional<TokenIdType> const& topPResetIds, std::optional<FloatType> const& topPDecay,
    std::optional<RandomSeedType> const& seed, std::optional<FloatType> const& temperature,
    std::optional<SizeType32> const& minTokens, std::optional<FloatType> const& beamSearchDiversityRate,
    std::optional<FloatType> const& repetitionPenalty, std::optional<FloatType> const& presencePenalty,
    std::optional<FloatType> const& frequencyPenalty, std::optional<SizeType32> const& promptIgnoreLength,
    std::optional<FloatType> const& lengthPenalty, std::optional<SizeType32> const& earlyStopping,
    std::optional<SizeType32> const& noRepeatNgramSize, std::optional<SizeType32> const& numReturnSequences,
    std::optional<FloatType> const& minP, std::optional<std::vector<SizeType32>> const& beamWidthArray)
    : mSeed(seed)
    , mPresencePenalty(presencePenalty)
    , mFrequencyPenalty(frequencyPenalty)
    , mLengthPenalty(checked("lengthPenalty", lengthPenalty, kNOT_NEGATIVE<FloatType>))
    , mEarlyStopping(checked("earlyStopping", earlyStopping, kNOT_NEGATIVE<SizeType32>)) {
    setBeamWidth(beamWidth);
    setTopK(topK);
    setTopP(topP);
    setTopPMin(topPMin);
    setTopPResetIds(topPResetIds);
    setTopPDecay(topPDecay);
    setTemperature(temperature);
    setMinTokens(minTokens);
    setBeamSearchDiversityRate(beamSearchDiversityRate);
    setRepetitionPenalty(repetitionPenalty);
    setPromptIgnoreLength(promptIgnoreLength);
    setNoRepeatNgramSize(noRepeatNgramSize);
    setMinP(minP);
    setBeamWidthArray(beamWidthArray); // before numReturnSequences, whose limit it may move
    setNumReturnSequences(numReturnSequences);
}

bool SamplingConfig::operator==(SamplingConfig const& other) const = default;

void SamplingConfig::setBeamWidth(SizeType32 beamWidth) {
    mBeamWidth = checked("beamWidth", beamWidth, {.atLeast = 1, .atMost = kMAX_BEAM_WIDTH});
}

void SamplingConfig::setTopK(std::optional<SizeType32> const& topK) {
    mTopK = checked("topK", topK, kNOT_NEGATIVE<SizeType32>);
}

void SamplingConfig::setTopP(std::optional<FloatType> const& topP) {
    mTopP = checked("topP", topP, kPROBABILITY_NOT_ZERO);
}

void SamplingConfig::setTopPMin(std::optional<FloatType> const& topPMin) {
    mTopPMin = checked("topPMin", topPMin, kPROBABILITY);
}

void SamplingConfig::setTopPResetIds(std::optional<TokenIdType> const& topPResetIds) {
    mTopPResetIds = checked("topPResetIds", topPResetIds, kNOT_NEGATIVE<TokenIdType>);
}

void SamplingConfig::setTopPDecay(std::optional<FloatType> const& topPDecay) {
    mTopPDecay = checked("topPDecay", topPDecay, kPROBABILITY_NOT_ZERO);
}

void SamplingConfig::setTemperature(std::optional<FloatType> const& temperature) {
    mTemperature = checked("temperature", temperature, kNOT_NEGATIVE<FloatType>);
}

void SamplingConfig::setMinTokens(std::optional<SizeType32> const& minTokens) {
    mMinTokens = checked("minTokens", minTokens, kNOT_NEGATIVE<SizeType32>);
}

void SamplingConfig::setBeamSearchDiversityRate(std::optional<FloatType> const& beamSearchDiversityRate) {
    mBeamSearchDiversityRate = checked("beamSearchDiversityRate", beamSearchDiversityRate, kNOT_NEGATIVE<FloatType>);
}

void SamplingConfig::setRepetitionPenalty(std::optional<FloatType> const& repetitionPenalty) {
    mRepetitionPenalty = checked("repetitionPenalty", repetitionPenalty, kPOSITIVE<FloatType>);
}

void SamplingConfig::setPromptIgnoreLength(std::optional<SizeType32> const& promptIgnoreLength) {
    mPromptIgnoreLength = checked("promptIgnoreLength", promptIgnoreLength, kNOT_NEGATIVE<SizeType32>);
}

void SamplingConfig::setNoRepeatNgramSize(std::optional<SizeType32> const& noRepeatNgramSize) {
    mNoRepeatNgramSize = checked("noRepeatNgramSize", noRepeatNgramSize, kNOT_NEGATIVE<SizeType32>);
}

void SamplingConfig::setNumReturnSequences(std::optional<SizeType32> const& numReturnSequences) {
    auto const limit = mBeamWidth > 1 ? std::optional(mBeamWidth) : std::nullopt;
    mNumReturnSequences = checked("numReturnSequences", numReturnSequences, {.above = 0, .atMost = limit});
}

void SamplingConfig::setMinP(std::optional<FloatType> const& minP) {
    mMinP = checked("minP", minP, kPROBABILITY);
}

void SamplingConfig::setBeamWidthArray(std::optional<std::vector<SizeType32>> const& beamWidthArray) {
    if (beamWidthArray) {
        checked(
            "beamWidthArray length", beamWidthArray->size(), {.atLeast = 1, .atMost = kMAX_BEAM_WIDTH_ARRAY_LENGTH});
        checked("beamWidthArray", *beamWidthArray, {.above = 0, .below = kMAX_BEAM_WIDTH});
        mBeamWidth = *std::max_element(beamWidthArray->begin(), beamWidthArray->end());
    }
    mBeamWidthArray = beamWidthArray;
}

} // namespace tensorrt_llm::executor
