#include "lora/modules.h"

namespace embedded {

namespace {

/// A module of one product.
LoraModule whole(char const* name, SizeType32 inputs, SizeType32 outputs, LoraSite site, SizeType32 outputOffset = 0) {
    return {name, inputs, outputs, {{site, 0, outputs, outputOffset}}};
}

std::optional<LoraModule> findOfEveryLayer(SizeType32 id, ModelConfig const& config) {
    SizeType32 const hidden = config.hiddenSize;
    SizeType32 const attention = config.attentionSize();
    SizeType32 const ffn = config.ffnSize;
    switch (id) {
    case 0:
        return whole("attn_qkv", hidden, 3 * attention, LoraSite::kSELF_QKV);
    case 1:
        return whole("attn_q", hidden, attention, LoraSite::kSELF_QKV);
    case 2:
        return whole("attn_k", hidden, attention, LoraSite::kSELF_QKV, attention);
    case 3:
        return whole("attn_v", hidden, attention, LoraSite::kSELF_QKV, 2 * attention);
    case 4:
        return whole("attn_dense", attention, hidden, LoraSite::kSELF_DENSE);
    case 5:
        return whole("mlp_h_to_4h", hidden, ffn, LoraSite::kFC);
    case 6:
        return whole("mlp_4h_to_h", ffn, hidden, LoraSite::kPROJ);
    case 7:
        return config.gatedActivation ? std::optional(whole("mlp_gate", hidden, ffn, LoraSite::kGATE)) : std::nullopt;
    default:
        return std::nullopt;
    }
}

/// Queries come from decoder rows, keys and values from encoder rows, which are as wide.
std::optional<LoraModule> findOfCrossAttention(SizeType32 id, ModelConfig const& config) {
    SizeType32 const hidden = config.hiddenSize;
    SizeType32 const attention = config.attentionSize();
    switch (id) {
    case 8:
        return LoraModule{"cross_attn_qkv", hidden, 3 * attention,
            {{LoraSite::kCROSS_QUERY, 0, attention, 0}, {LoraSite::kCROSS_KEY_VALUE, attention, 2 * attention, 0}}};
    case 9:
        return whole("cross_attn_q", hidden, attention, LoraSite::kCROSS_QUERY);
    case 10:
        return whole("cross_attn_k", hidden, attention, LoraSite::kCROSS_KEY_VALUE);
    case 11:
        return whole("cross_attn_v", hidden, attention, LoraSite::kCROSS_KEY_VALUE, attention);
    case 12:
        return whole("cross_attn_dense", attention, hidden, LoraSite::kCROSS_DENSE);
    default:
        return std::nullopt;
    }
}

} // namespace

std::optional<LoraModule> findLoraModule(SizeType32 id, ModelConfig const& config) {
    auto const module = findOfEveryLayer(id, config);
    return module || config.component == Component::kENCODER ? module : findOfCrossAttention(id, config);
}

} // namespace embedded
