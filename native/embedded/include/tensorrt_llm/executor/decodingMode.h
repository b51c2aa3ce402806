#pragma once

#include <cstdint>

namespace tensorrt_llm::executor {

/// How tokens are chosen and which parameters are looked at, as a set of bits. The use…() methods give a changed copy.
/// The bits differ between releases: a state is not to be stored.
class DecodingMode {
public:
    using UnderlyingType = std::uint32_t;

    explicit constexpr DecodingMode(UnderlyingType state)
        : mState(state) {}

    /// By the first request's beam width: TopKTopP for 1, else BeamSearch.
    static auto constexpr Auto() { return DecodingMode{kAUTO}; }
    static auto constexpr TopK() { return DecodingMode{kTOP_K | kSAMPLING}; }
    static auto constexpr TopP() { return DecodingMode{kTOP_P | kSAMPLING}; }
    static auto constexpr TopKTopP() { return DecodingMode{kTOP_K | kTOP_P | kSAMPLING}; }
    static auto constexpr BeamSearch() { return DecodingMode{kBEAM_SEARCH | kSEARCH}; }

    auto constexpr useTemperature(bool use) { return with(kTEMPERATURE, use); }
    auto constexpr useOccurrencePenalties(bool use) { return with(kOCCURRENCE, use); }
    auto constexpr usePresencePenalty(bool use) { return with(kPRESENCE, use); }
    auto constexpr useRepetitionPenalty(bool use) { return with(kREPETITION, use); }
    auto constexpr useFrequencyPenalty(bool use) { return with(kFREQUENCY, use); }
    auto constexpr useMinLength(bool use) { return with(kMIN_LENGTH, use); }
    auto constexpr useBanTokens(bool use) { return with(kBAN_TOKENS, use); }
    auto constexpr useBanWords(bool use) { return with(kBAN_WORDS, use); }
    auto constexpr useNoRepeatNgramSize(bool use) { return with(kNO_REPEAT_NGRAM, use); }
    auto constexpr useStopWords(bool use) { return with(kSTOP_WORDS, use); }
    auto constexpr useMaxLengthStop(bool use) { return with(kMAX_LENGTH_STOP, use); }
    auto constexpr useExplicitEosStop(bool use) { return with(kEXPLICIT_EOS_STOP, use); }
    auto constexpr useMinP(bool use) { return with(kMIN_P, use); }
    auto constexpr useVariableBeamWidthSearch(bool use) { return with(kVARIABLE_BEAM_WIDTH, use); }

    [[nodiscard]] bool constexpr isAuto() const { return hasAny(kAUTO); }
    [[nodiscard]] bool constexpr isTopK() const { return hasAny(kTOP_K); }
    [[nodiscard]] bool constexpr isTopP() const { return hasAny(kTOP_P); }
    [[nodiscard]] bool constexpr isTopKorTopP() const { return hasAny(kTOP_K | kTOP_P); }
    [[nodiscard]] bool constexpr isTopKandTopP() const { return hasAll(kTOP_K | kTOP_P); }
    [[nodiscard]] bool constexpr isBeamSearch() const { return hasAny(kBEAM_SEARCH); }
    [[nodiscard]] bool constexpr isUseTemperature() const { return hasAny(kTEMPERATURE); }
    [[nodiscard]] bool constexpr isUsePresencePenalty() const { return hasAny(kPRESENCE); }
    [[nodiscard]] bool constexpr isUseFrequencyPenalty() const { return hasAny(kFREQUENCY); }
    [[nodiscard]] bool constexpr isUseRepetitionPenalty() const { return hasAny(kREPETITION); }
    [[nodiscard]] bool constexpr isUseMinLength() const { return hasAny(kMIN_LENGTH); }
    [[nodiscard]] bool constexpr isUseOccurrencePenalty() const { return hasAny(kOCCURRENCE); }
    [[nodiscard]] bool constexpr isUsePenalty() const { return hasAny(kPENALTIES); }
    [[nodiscard]] bool constexpr isUseBanWords() const { return hasAny(kBAN_WORDS); }
    [[nodiscard]] bool constexpr isUseNoRepeatNgramSize() const { return hasAny(kNO_REPEAT_NGRAM); }
    [[nodiscard]] bool constexpr isUseBanTokens() const { return hasAny(kBAN_TOKENS); }
    [[nodiscard]] bool constexpr isUseStopWords() const { return hasAny(kSTOP_WORDS); }
    [[nodiscard]] bool constexpr isUseMaxLengthStop() const { return hasAny(kMAX_LENGTH_STOP); }
    [[nodiscard]] bool constexpr isUseExplicitEosStop() const { return hasAny(kEXPLICIT_EOS_STOP); }
    [[nodiscard]] bool constexpr isUseStopCriteria() const { return hasAny(kSTANDARD_STOP | kEXPLICIT_EOS_STOP); }
    [[nodiscard]] bool constexpr isUseMinP() const { return hasAny(kMIN_P); }
    [[nodiscard]] bool constexpr isUseVariableBeamWidthSearch() const { return hasAny(kVARIABLE_BEAM_WIDTH); }

    bool operator==(DecodingMode const& other) const { return mState == other.mState; }

    [[nodiscard]] constexpr UnderlyingType getState() const { return mState; }

    [[nodiscard]] constexpr char const* getName() const {
        return isTopKorTopP() ? "TopKorTopP" : isBeamSearch() ? "BeamSearch" : "Unknown";
    }

private:
    static constexpr UnderlyingType kREPETITION{1U << 0U};
    static constexpr UnderlyingType kFREQUENCY{1U << 1U};
    static constexpr UnderlyingType kPRESENCE{1U << 2U};
    static constexpr UnderlyingType kTEMPERATURE{1U << 3U};
    static constexpr UnderlyingType kMIN_LENGTH{1U << 4U};
    static constexpr UnderlyingType kBAN_WORDS{1U << 5U};
    static constexpr UnderlyingType kSTOP_WORDS{1U << 6U};
    static constexpr UnderlyingType kMAX_LENGTH_STOP{1U << 7U};
    static constexpr UnderlyingType kEXPLICIT_EOS_STOP{1U << 8U};
    static constexpr UnderlyingType kNO_REPEAT_NGRAM{1U << 9U};
    static constexpr UnderlyingType kMIN_P{1U << 10U};
    static constexpr UnderlyingType kVARIABLE_BEAM_WIDTH{1U << 11U};
    static constexpr UnderlyingType kAUTO{1U << 12U};
    static constexpr UnderlyingType kTOP_K{1U << 13U};
    static constexpr UnderlyingType kTOP_P{1U << 14U};
    static constexpr UnderlyingType kBEAM_SEARCH{1U << 15U};

    static constexpr UnderlyingType kOCCURRENCE{kREPETITION | kFREQUENCY | kPRESENCE};
    static constexpr UnderlyingType kPENALTIES{kOCCURRENCE | kTEMPERATURE | kMIN_LENGTH};
    static constexpr UnderlyingType kBAN_TOKENS{kBAN_WORDS | kNO_REPEAT_NGRAM};
    static constexpr UnderlyingType kSTANDARD_STOP{kSTOP_WORDS | kMAX_LENGTH_STOP};
    static constexpr UnderlyingType kSEARCH{kPENALTIES | kBAN_TOKENS | kSTANDARD_STOP};
    static constexpr UnderlyingType kSAMPLING{kSEARCH | kMIN_P};

    constexpr DecodingMode with(UnderlyingType bits, bool use) {
        mState = use ? mState | bits : mState & ~bits;
        return *this;
    }
    [[nodiscard]] constexpr bool hasAny(UnderlyingType bits) const { return (mState & bits) != 0; }
    [[nodiscard]] constexpr bool hasAll(UnderlyingType bits) const { return (mState & bits) == bits; }

    UnderlyingType mState;
};

} // namespace tensorrt_llm::executor
