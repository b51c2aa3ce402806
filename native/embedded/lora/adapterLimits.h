/// How large adapters may be.
#pragma once

#include "model/modelConfig.h"

#include "tensorrt_llm/executor/configs.h"

#include <cstdint>

namespace embedded {

struct AdapterLimits {
    SizeType32 maxRank;
    std::uint64_t cacheBytes; ///< for the values of all adapters together
};

/// Ranks up to maxAdapterSize; a cache of hostCacheSize bytes (1 GiB), or of numHostModuleLayer slots, each for the
/// widest module with rank optimalAdapterSize in FP32. What is about devices, copies and pages has no meaning here.
/// @throws TllmException [ERR_INVALID_ARGUMENT] naming the field, also if the cache does not hold one adapter of all
/// modules with rank optimalAdapterSize; [ERR_UNSUPPORTED] for loraPrefetchDir
[[nodiscard]] AdapterLimits chooseAdapterLimits(
    tensorrt_llm::executor::PeftCacheConfig const& config, ModelConfig const& encoder, ModelConfig const& decoder);

} // namespace embedded
