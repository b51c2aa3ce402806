#include "lora/adapterLimits.h"

#include "lora/modules.h"

#include "tensorrt_llm/common/tllmException.h"

#include <algorithm>
#include <string>

namespace embedded {

namespace {

constexpr std::uint64_t kCACHE_BYTES = std::uint64_t{1} << 30;

/// Values of one rank: of all modules of a model, and of the widest.
struct ValuesPerRank {
    std::uint64_t all = 0;
    std::uint64_t widest = 0;
};

void count(ModelConfig const& config, ValuesPerRank& values) {
    for (SizeType32 id = 0; id < kNUM_LORA_MODULES; ++id) {
        auto const module = findLoraModule(id, config);
        if (!module || isFusedLoraModule(id)) {
            continue;
        }
        auto const width = static_cast<std::uint64_t>(module->inputs + module->outputs);
        values.all += width * static_cast<std::uint64_t>(config.numLayers);
        values.widest = std::max(values.widest, width);
    }
}

template <class Value> void requireAtLeast(std::string const& field, Value value, Value limit) {
    if (value < limit) {
        throw tensorrt_llm::common::TllmException("[ERR_INVALID_ARGUMENT] peftCacheConfig." + field
            + " must be at least " + std::to_string(limit) + ", got " + std::to_string(value));
    }
}

} // namespace

AdapterLimits chooseAdapterLimits(
    tensorrt_llm::executor::PeftCacheConfig const& config, ModelConfig const& encoder, ModelConfig const& decoder) {
    if (config.getLoraPrefetchDir()) {
        throw tensorrt_llm::common::TllmException("[ERR_UNSUPPORTED] peftCacheConfig.loraPrefetchDir is not supported "
                                                  "by the embedded runtime: send the weights with a request");
    }
    requireAtLeast("maxAdapterSize", config.getMaxAdapterSize(), 1);
    requireAtLeast("optimalAdapterSize", config.getOptimalAdapterSize(), 1);
    requireAtLeast("numHostModuleLayer", config.getNumHostModuleLayer(), 0);
    ValuesPerRank values;
    count(encoder, values);
    count(decoder, values);
    auto const rank = std::min(config.getOptimalAdapterSize(), config.getMaxAdapterSize());
    auto const bytesPerValue = static_cast<std::uint64_t>(rank) * sizeof(float);
    auto const numSlots = static_cast<std::uint64_t>(config.getNumHostModuleLayer());
    auto const bytes = numSlots > 0 ? numSlots * values.widest * bytesPerValue
                                    : std::uint64_t{config.getHostCacheSize().value_or(kCACHE_BYTES)};
    // One adapter of all modules must fit.
    requireAtLeast(numSlots > 0 ? "numHostModuleLayer times the bytes of a slot" : "hostCacheSize", bytes,
        values.all * bytesPerValue);
    return {config.getMaxAdapterSize(), bytes};
}

} // namespace embedded
