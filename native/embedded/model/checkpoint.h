/// One component of a TensorRT-LLM checkpoint, whole, however many ranks its files are divided between.
#pragma once

#include "compute/hostMatrix.h"
#include "model/modelConfig.h"
#include "model/safetensors.h"

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace embedded {

/// How the tensor-parallel ranks divide a tensor.
enum class Split {
    kNONE,     ///< each has all of it
    kROWS,     ///< an equal part of the rows; padding fills the last one up
    kQKV_ROWS, ///< of a fused matrix of query, key and value rows, an equal part of each of the three
    kCOLUMNS,  ///< an equal part of the columns
};

/// A tensor that is ready to be prepared for a backend: a view into a mapped file where that holds it as it is wanted,
/// else memory of its own. Valid as long as its Checkpoint lives.
struct HostTensor {
    compute::HostMatrix matrix; ///< a vector is a matrix of one column
    std::unique_ptr<std::byte[]> memory;
    std::vector<float> scales;

    /// Rows `first` … `first + count - 1`.
    [[nodiscard]] compute::HostMatrix rows(std::int64_t first, std::int64_t count) const;
};

/// Tensors are asked for by their names in an undivided checkpoint of TensorRT-LLM 1.x; the files may have the names of
/// 0.14. Quantised weights bring their scales along.
class Checkpoint {
public:
    /// Maps rank0.safetensors … of all ranks that the configuration counts.
    /// @throws ModelError if one is missing or there are more
    Checkpoint(std::filesystem::path folder, ModelConfig const& config);

    /// Of one rank.
    /// @throws ModelError if the configuration counts more
    Checkpoint(SafetensorsFile file, ModelConfig const& config);

    [[nodiscard]] std::filesystem::path const& folder() const { return mFolder; }

    /// @param shape of the whole tensor: [rows, cols] or [rows]
    /// @throws ModelError naming file and tensor if it is missing or has another shape or type
    /// @throws UnsupportedModelError for weights in the layout of a GPU kernel
    [[nodiscard]] HostTensor read(std::string const& name, std::vector<std::int64_t> const& shape, Split split) const;

    /// As read(), for a tensor that may be divided by rows or not at all: what the file holds decides.
    [[nodiscard]] HostTensor readMaybeSplit(std::string const& name, std::vector<std::int64_t> const& shape) const;

private:
    Checkpoint(std::filesystem::path folder, std::vector<SafetensorsFile> files, ModelConfig const& config);

    /// A tensor in the files of its pipeline stage.
    struct Location {
        std::span<SafetensorsFile const> ranks; ///< of that stage
        std::string name;
    };

    [[nodiscard]] Location locate(std::string const& name) const;
    [[nodiscard]] HostTensor readPart(
        SafetensorsFile const& file, std::string const& name, std::vector<std::int64_t> const& shape) const;

    std::filesystem::path mFolder;
    ModelConfig mConfig;
    std::vector<SafetensorsFile> mFiles; ///< by rank: pipeline stage * tensorParallelism + tensor-parallel rank
    bool mHasOldNames = false;
};

} // namespace embedded
