#pragma once

#include "tensorrt_llm/executor/types.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace tensorrt_llm::executor {

/// How the tokens of one request are chosen. Everything unset with beamWidth 1 means greedy decoding.
///
/// The constructor and the setters throw TllmException for a value outside the range of its field, except that
/// setLengthPenalty() and setEarlyStopping() do not check. Prefer setters to constructor arguments: the arguments
/// convert into each other, so a shifted list compiles.
///
/// Field                    Meaning                                                        Range
/// beamWidth                1: sampling or greedy; more: beam search                       1 ... 1024
/// topK                     keep the K best tokens; 0: no limit                            >= 0
/// topP                     keep the smallest set of tokens with this probability          (0, 1]
/// topPMin                  floor of a decaying topP; 1e-6 if unset                        [0, 1]
/// topPResetIds             token that resets the decay of topP                            >= 0
/// topPDecay                factor on topP per step                                        (0, 1]
/// seed                     of the random generator; 0 if unset                            any
/// temperature              divides the logits; 0: greedy                                  >= 0
/// minTokens                the end id is barred before this many generated tokens         >= 0
/// beamSearchDiversityRate  bonus for diverse beams                                        >= 0
/// repetitionPenalty        multiplies, 1: off                                             > 0
/// presencePenalty          adds once per token seen, 0: off                               any
/// frequencyPenalty         adds per occurrence, 0: off                                    any
/// promptIgnoreLength       leading prompt tokens that the last two penalties overlook     >= 0
/// lengthPenalty            beam score = log-probability / length^this; 0 if unset         >= 0 (constructor only)
/// earlyStopping            1: stop at beamWidth ended hypotheses (if unset); 0: stop when a better one is judged
///                          impossible; other: when the length penalty rules one out       >= 0 (constructor only)
/// noRepeatNgramSize        n-grams of this size occur once; use unset, not 0, for off     >= 0
/// numReturnSequences       beams to return, or independent samples with beamWidth 1       > 0, and <= beamWidth if > 1
/// minP                     drop tokens below this share of the best probability           [0, 1]
/// beamWidthArray           beam width per step, the last one repeats; beamWidth becomes the largest
///                                                                                         1 ... 8 of 1 ... 1023
class SamplingConfig {
public:
    explicit SamplingConfig(SizeType32 beamWidth = 1, std::optional<SizeType32> const& topK = std::nullopt,
        std::optional<FloatType> const& topP = std::nullopt, std::optional<FloatType> const& topPMin = std::nullopt,
        std::optional<TokenIdType> const& topPResetIds = std::nullopt,
        std::optional<FloatType> const& topPDecay = std::nullopt,
        std::optional<RandomSeedType> const& seed = std::nullopt,
        std::optional<FloatType> const& temperature = std::nullopt,
        std::optional<SizeType32> const& minTokens = std::nullopt,
        std::optional<FloatType> const& beamSearchDiversityRate = std::nullopt,
        std::optional<FloatType> const& repetitionPenalty = std::nullopt,
        std::optional<FloatType> const& presencePenalty = std::nullopt,
        std::optional<FloatType> const& frequencyPenalty = std::nullopt,
        std::optional<SizeType32> const& promptIgnoreLength = std::nullopt,
        std::optional<FloatType> const& lengthPenalty = std::nullopt,
        std::optional<SizeType32> const& earlyStopping = std::nullopt,
        std::optional<SizeType32> const& noRepeatNgramSize = std::nullopt,
        std::optional<SizeType32> const& numReturnSequences = std::nullopt,
        std::optional<FloatType> const& minP = std::nullopt,
        std::optional<std::vector<SizeType32>> const& beamWidthArray = std::nullopt);

    bool operator==(SamplingConfig const& other) const;

    [[nodiscard]] SizeType32 getBeamWidth() const { return mBeamWidth; }
    /// Beams in each Result: the smaller of numReturnSequences and beamWidth, or beamWidth if the former is unset.
    [[nodiscard]] SizeType32 getNumReturnBeams() const {
        return std::min(mNumReturnSequences.value_or(mBeamWidth), mBeamWidth);
    }
    [[nodiscard]] std::optional<SizeType32> getTopK() const { return mTopK; }
    [[nodiscard]] std::optional<FloatType> getTopP() const { return mTopP; }
    [[nodiscard]] std::optional<FloatType> getTopPMin() const { return mTopPMin; }
    [[nodiscard]] std::optional<SizeType32> getTopPResetIds() const { return mTopPResetIds; }
    [[nodiscard]] std::optional<FloatType> getTopPDecay() const { return mTopPDecay; }
    [[nodiscard]] std::optional<RandomSeedType> getSeed() const { return mSeed; }
    [[nodiscard]] std::optional<FloatType> getTemperature() const { return mTemperature; }
    [[nodiscard]] std::optional<SizeType32> getMinTokens() const { return mMinTokens; }
    [[nodiscard]] std::optional<FloatType> getBeamSearchDiversityRate() const { return mBeamSearchDiversityRate; }
    [[nodiscard]] std::optional<FloatType> getRepetitionPenalty() const { return mRepetitionPenalty; }
    [[nodiscard]] std::optional<FloatType> getPresencePenalty() const { return mPresencePenalty; }
    [[nodiscard]] std::optional<FloatType> getFrequencyPenalty() const { return mFrequencyPenalty; }
    [[nodiscard]] std::optional<SizeType32> getPromptIgnoreLength() const { return mPromptIgnoreLength; }
    [[nodiscard]] std::optional<FloatType> getLengthPenalty() const { return mLengthPenalty; }
    [[nodiscard]] std::optional<SizeType32> getEarlyStopping() const { return mEarlyStopping; }
    [[nodiscard]] std::optional<SizeType32> getNoRepeatNgramSize() const { return mNoRepeatNgramSize; }
    [[nodiscard]] std::optional<SizeType32> getNumReturnSequences() const { return mNumReturnSequences; }
    [[nodiscard]] std::optional<FloatType> getMinP() const { return mMinP; }
    [[nodiscard]] std::optional<std::vector<SizeType32>> getBeamWidthArray() const { return mBeamWidthArray; }

    /// Leaves numReturnSequences as it is, even above the new width: getNumReturnBeams() caps it.
    void setBeamWidth(SizeType32 beamWidth);
    void setTopK(std::optional<SizeType32> const& topK);
    void setTopP(std::optional<FloatType> const& topP);
    void setTopPMin(std::optional<FloatType> const& topPMin);
    void setTopPResetIds(std::optional<TokenIdType> const& topPResetIds);
    void setTopPDecay(std::optional<FloatType> const& topPDecay);
    void setSeed(std::optional<RandomSeedType> const& seed) { mSeed = seed; }
    void setTemperature(std::optional<FloatType> const& temperature);
    void setMinTokens(std::optional<SizeType32> const& minTokens);
    void setBeamSearchDiversityRate(std::optional<FloatType> const& beamSearchDiversityRate);
    void setRepetitionPenalty(std::optional<FloatType> const& repetitionPenalty);
    void setPresencePenalty(std::optional<FloatType> const& presencePenalty) { mPresencePenalty = presencePenalty; }
    void setFrequencyPenalty(std::optional<FloatType> const& frequencyPenalty) { mFrequencyPenalty = frequencyPenalty; }
    void setPromptIgnoreLength(std::optional<SizeType32> const& promptIgnoreLength);
    void setLengthPenalty(std::optional<FloatType> const& lengthPenalty) { mLengthPenalty = lengthPenalty; }
    void setEarlyStopping(std::optional<SizeType32> const& earlyStopping) { mEarlyStopping = earlyStopping; }
    void setNoRepeatNgramSize(std::optional<SizeType32> const& noRepeatNgramSize);
    void setNumReturnSequences(std::optional<SizeType32> const& numReturnSequences);
    void setMinP(std::optional<FloatType> const& minP);
    /// Also sets beamWidth to the largest entry; unset leaves beamWidth as it is.
    void setBeamWidthArray(std::optional<std::vector<SizeType32>> const& beamWidthArray);

private:
    SizeType32 mBeamWidth;
    std::optional<SizeType32> mTopK;
    std::optional<FloatType> mTopP;
    std::optional<FloatType> mTopPMin;
    std::optional<TokenIdType> mTopPResetIds;
    std::optional<FloatType> mTopPDecay;
    std::optional<RandomSeedType> mSeed;
    std::optional<FloatType> mTemperature;
    std::optional<SizeType32> mMinTokens;
    std::optional<FloatType> mBeamSearchDiversityRate;
    std::optional<FloatType> mRepetitionPenalty;
    std::optional<FloatType> mPresencePenalty;
    std::optional<FloatType> mFrequencyPenalty;
    std::optional<SizeType32> mPromptIgnoreLength;
    std::optional<FloatType> mLengthPenalty;
    std::optional<SizeType32> mEarlyStopping;
    std::optional<SizeType32> mNoRepeatNgramSize;
    std::optional<SizeType32> mNumReturnSequences;
    std::optional<FloatType> mMinP;
    std::optional<std::vector<SizeType32>> mBeamWidthArray;
};

} // namespace tensorrt_llm::executor
