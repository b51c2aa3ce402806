#include "executor/engineLimits.h"

#include "cache/blockCounts.h"

#include "tensorrt_llm/common/tllmException.h"

#include <algorithm>

namespace embedded {

namespace {

using tensorrt_llm::common::TllmException;
using tensorrt_llm::executor::BatchingType;
using tensorrt_llm::executor::CapacitySchedulerPolicy;
using tensorrt_llm::executor::DecodingMode;
using tensorrt_llm::executor::ExecutorConfig;
using tensorrt_llm::executor::KvCacheConfig;
using tensorrt_llm::executor::PeftCacheConfig;

constexpr SizeType32 kMAX_BATCH_SIZE = 64;
constexpr SizeType32 kMAX_BEAM_WIDTH = 1024; // the API's own limit for a request
constexpr SizeType32 kMAX_NUM_TOKENS = 8192;
constexpr SizeType32 kMAX_SEQUENCE_LENGTH = 4096;
constexpr double kMEMORY_FRACTION = 0.25;

void refuseUnsupported(ExecutorConfig const& config) {
    if (config.getBatchingType() == BatchingType::kSTATIC) {
        throw TllmException("[ERR_INVALID_ARGUMENT] batchingType kSTATIC is deprecated: use kINFLIGHT with the "
                            "capacity scheduler policy kSTATIC_BATCH");
    }
    if (config.getSchedulerConfig().getCapacitySchedulerPolicy() == CapacitySchedulerPolicy::kMAX_UTILIZATION) {
        throw TllmException("[ERR_UNSUPPORTED] capacitySchedulerPolicy MAX_UTILIZATION: the executor refuses it for "
                            "encoder-decoder models");
    }
    if (config.getMaxBeamWidth() > kMAX_BEAM_WIDTH) {
        throw TllmException("[ERR_INVALID_ARGUMENT] maxBeamWidth must be in [1, " + std::to_string(kMAX_BEAM_WIDTH)
            + "], got " + std::to_string(config.getMaxBeamWidth()));
    }
    auto const decoding = config.getDecodingConfig();
    if (decoding && !decoding->getDecodingMode().value_or(DecodingMode::Auto()).isAuto()) {
        throw TllmException("[ERR_UNSUPPORTED] decodingConfig.decodingMode must be Auto: in the embedded runtime each "
                            "request says how its tokens are chosen");
    }
    if (!config.getKvCacheConfig().getCrossKvCacheFraction()) {
        throw TllmException("[ERR_INVALID_ARGUMENT] Must set crossKvCacheFraction for encoder-decoder model");
    }
}

/// Every token needs a row of the position table, if the component has one.
SizeType32 withinPositions(ModelConfig const& config, SizeType32 length) {
    return config.maxPositions > 0 ? std::min(config.maxPositions, length) : length;
}

SizeType32 blocksWithin(std::uint64_t budgetBytes, std::uint64_t blockBytes) {
    return static_cast<SizeType32>(std::min<std::uint64_t>(budgetBytes / blockBytes, 1U << 24));
}

/// Sets both pools; see chooseLimits().
void choosePools(EngineLimits& limits, KvCacheConfig const& config, std::uint64_t budget, std::uint64_t blockBytes) {
    auto const wanted = [&](SizeType32 lengthOfOne, std::int64_t numBeams) {
        auto const blocks = limits.maxBatchSize * numBeams * blocksFor(lengthOfOne, limits.tokensPerBlock);
        std::int64_t const cap =
            config.getMaxTokens() ? blocksFor(*config.getMaxTokens(), limits.tokensPerBlock) : blocks;
        return static_cast<SizeType32>(std::min<std::int64_t>({blocks, cap, 1 << 24}));
    };
    limits.numSelfBlocks = wanted(limits.maxSequenceLength, limits.maxBeamWidth);
    limits.numCrossBlocks = wanted(limits.maxInputLength, 1);
    auto const needed = (static_cast<std::uint64_t>(limits.numSelfBlocks) + limits.numCrossBlocks) * blockBytes;
    if (needed > budget) {
        auto const cross = static_cast<std::uint64_t>(
            static_cast<double>(budget) * static_cast<double>(*config.getCrossKvCacheFraction()));
        limits.numSelfBlocks = std::min(limits.numSelfBlocks, blocksWithin(budget - cross, blockBytes));
        limits.numCrossBlocks = std::min(limits.numCrossBlocks, blocksWithin(cross, blockBytes));
    }
    if (limits.numSelfBlocks < 1 || limits.numCrossBlocks < 1) {
        throw TllmException("[ERR_OUT_OF_MEMORY] the memory for key/value caches, " + std::to_string(budget)
            + " bytes, holds no block of " + std::to_string(blockBytes) + " bytes in each pool");
    }
}

} // namespace

std::uint64_t cacheBytesPerToken(ModelConfig const& decoder) {
    constexpr std::uint64_t kKEY_AND_VALUE = 2;
    return kKEY_AND_VALUE * static_cast<std::uint64_t>(decoder.numLayers)
        * static_cast<std::uint64_t>(decoder.attentionSize()) * sizeof(float);
}

EngineLimits chooseLimits(ExecutorConfig const& config, ModelConfig const& encoder, ModelConfig const& decoder,
    EmbeddedOptions const& options, std::uint64_t availableBytes) {
    refuseUnsupported(config);
    EngineLimits limits{};
    limits.maxBatchSize = config.getMaxBatchSize().value_or(kMAX_BATCH_SIZE);
    limits.maxNumTokens = config.getMaxNumTokens().value_or(kMAX_NUM_TOKENS);
    limits.maxBeamWidth = std::min(config.getMaxBeamWidth(), limits.maxNumTokens);
    limits.maxInputLength = withinPositions(encoder, limits.maxNumTokens);
    limits.maxSequenceLength = decoder.maxPositions > 0 ? decoder.maxPositions : kMAX_SEQUENCE_LENGTH;
    limits.encoderTokenBudget = std::min(options.encoderTokenBudget, limits.maxNumTokens);
    limits.maxRetainedInputs = options.reuseEncoder ? limits.maxBatchSize : 0;
    limits.tokensPerBlock = options.tokensPerBlock;
    auto const kvCache = config.getKvCacheConfig();
    double const fraction = kvCache.getFreeGpuMemoryFraction().value_or(kMEMORY_FRACTION);
    auto const budget = static_cast<std::uint64_t>(static_cast<double>(availableBytes) * fraction);
    limits.adapters = chooseAdapterLimits(config.getPeftCacheConfig().value_or(PeftCacheConfig()), encoder, decoder);
    choosePools(
        limits, kvCache, budget, cacheBytesPerToken(decoder) * static_cast<std::uint64_t>(limits.tokensPerBlock));
    return limits;
}

} // namespace embedded
