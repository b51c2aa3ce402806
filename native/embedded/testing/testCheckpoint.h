/// Checkpoints made by tests: random weights, divided between ranks as NVIDIA's converter divides them.
#pragma once

#include "model/modelConfig.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

namespace embedded::testing {

/// One tensor of a safetensors file.
struct StoredTensor {
    std::string dtype; ///< as the file names it: F32, F8_E4M3, …
    std::vector<std::int64_t> shape;
    std::string bytes;

    [[nodiscard]] std::int64_t rows() const { return shape[0]; }
    [[nodiscard]] std::size_t rowBytes() const { return bytes.size() / static_cast<std::size_t>(shape[0]); }
};

using StoredTensors = std::map<std::string, StoredTensor>;

[[nodiscard]] StoredTensor floatTensor(std::vector<std::int64_t> shape, std::span<float const> values);

/// A whole safetensors file.
[[nodiscard]] std::string serialize(StoredTensors const& tensors);

/// One component of an undivided checkpoint.
struct TestCheckpoint {
    nlohmann::json config;
    StoredTensors tensors;
};

/// Reads one component's folder of test/goldens.
[[nodiscard]] TestCheckpoint readCheckpoint(std::filesystem::path const& folder);

/// Random weights for BART's layout: learned positions, embedding norm, biases everywhere, a bias of the logits; the
/// sizes are odd where they may be. Normalises after each sublayer, or before it and at the end as mBART does.
[[nodiscard]] TestCheckpoint randomBart(Component component, bool normalizesAfter);

/// The files of the ranks; the configuration gets the mapping.
[[nodiscard]] std::vector<StoredTensors> divide(TestCheckpoint& checkpoint, SizeType32 tensorRanks, SizeType32 stages);

/// Writes `folder`/config.json and the rank files of a checkpoint that is divided that way.
void writeCheckpoint(
    std::filesystem::path const& folder, TestCheckpoint checkpoint, SizeType32 tensorRanks = 1, SizeType32 stages = 1);

} // namespace embedded::testing
