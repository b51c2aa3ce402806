/// Reader of safetensors files.
///
/// File := u64 little-endian header length N, N bytes of JSON, tensor data.
/// JSON := { "<tensor>": { "dtype", "shape", "data_offsets": [begin, end) }, …, "__metadata__"? }, offsets from the
/// first data byte; together the tensors cover the data without gap or overlap.
#pragma once

#include "model/mappedFile.h"

#include "tensorrt_llm/executor/types.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace embedded {

/// A tensor inside a file; valid as long as the file's object lives. `data` may be unaligned.
struct TensorView {
    tensorrt_llm::executor::DataType dtype;
    std::vector<std::int64_t> shape;
    std::span<std::byte const> data;
};

class SafetensorsFile {
public:
    /// Maps the file and checks the whole header: sizes, types, bounds, gaps and overlaps.
    /// @throws ModelError naming the file and the tensor
    explicit SafetensorsFile(std::filesystem::path const& path);

    /// The content of such a file in memory that outlives the object.
    /// @param name for errors
    SafetensorsFile(std::filesystem::path name, std::span<std::byte const> content);

    [[nodiscard]] std::filesystem::path const& path() const { return mPath; }
    [[nodiscard]] std::map<std::string, TensorView> const& tensors() const { return mTensors; }
    [[nodiscard]] bool contains(std::string const& name) const { return mTensors.contains(name); }

    /// @throws ModelError if the tensor is missing
    [[nodiscard]] TensorView const& at(std::string const& name) const;

    /// The tensor, checked to be of this shape.
    /// @throws ModelError naming the tensor, the shape it has and the shape it should have
    [[nodiscard]] TensorView const& at(std::string const& name, std::vector<std::int64_t> const& shape) const;

private:
    std::filesystem::path mPath;
    std::optional<MappedFile> mFile; ///< none for content in memory
    std::map<std::string, TensorView> mTensors;
};

} // namespace embedded
