#include "model/tensorNames.h"

#include <array>
#include <charconv>
#include <string_view>

namespace embedded {

namespace {

constexpr std::string_view kLAYERS = "transformer.layers.";

struct Renamed {
    std::string_view today;
    std::string_view old;
};

constexpr std::array kRENAMED{Renamed{"transformer.vocab_embedding.", "embedding.vocab_embedding."},
    Renamed{"transformer.position_embedding.", "embedding.position_embedding."},
    Renamed{"transformer.ln_embed.", "embedding.embedding_layernorm."},
    Renamed{"transformer.ln_f.", "final_layernorm."}};

} // namespace

std::optional<LayerTensor> locateLayer(std::string const& name, ModelConfig const& config) {
    if (!name.starts_with(kLAYERS)) {
        return std::nullopt;
    }
    SizeType32 layer = 0;
    auto const* const end = std::from_chars(name.data() + kLAYERS.size(), name.data() + name.size(), layer).ptr;
    SizeType32 const layersPerStage = config.numLayers / config.pipelineParallelism;
    auto const rest = name.substr(static_cast<std::size_t>(end - name.data()));
    return LayerTensor{layer / layersPerStage, std::string(kLAYERS) + std::to_string(layer % layersPerStage) + rest};
}

std::string oldName(std::string const& name, Component component) {
    if (name.starts_with(kLAYERS)) {
        return (component == Component::kENCODER ? "encoder_layers." : "decoder_layers.") + name.substr(kLAYERS.size());
    }
    for (auto const& [today, old] : kRENAMED) {
        if (name.starts_with(today)) {
            return std::string(old) + name.substr(today.size());
        }
    }
    return name;
}

} // namespace embedded
