#include "model/checkpoint.h"

#include "model/modelError.h"
#include "model/tensorNames.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace embedded {

namespace {

using compute::HostMatrix;
using tensorrt_llm::executor::DataType;
using Shape = std::vector<std::int64_t>;

constexpr std::int64_t kFUSED_PARTS = 3; // query, key and value

std::filesystem::path rankFile(std::filesystem::path const& folder, std::int64_t rank) {
    return folder / ("rank" + std::to_string(rank) + ".safetensors");
}

std::vector<SafetensorsFile> openRanks(std::filesystem::path const& folder, std::int64_t numRanks) {
    auto const error = [&](std::int64_t rank, std::string const& what) {
        return ModelError(rankFile(folder, rank), "",
            what + ": the mapping in config.json has " + std::to_string(numRanks) + " rank(s)");
    };
    std::vector<SafetensorsFile> files;
    for (std::int64_t rank = 0; rank < numRanks; ++rank) {
        if (!std::filesystem::exists(rankFile(folder, rank))) {
            throw error(rank, "is missing");
        }
        files.emplace_back(rankFile(folder, rank));
    }
    if (std::filesystem::exists(rankFile(folder, numRanks))) {
        throw error(numRanks, "is one rank too many");
    }
    return files;
}

std::int64_t numRanks(ModelConfig const& config) {
    return std::int64_t{config.tensorParallelism} * config.pipelineParallelism;
}

std::vector<SafetensorsFile> onlyRank(SafetensorsFile file, ModelConfig const& config) {
    if (numRanks(config) != 1) {
        throw ModelError(file.path(), "mapping",
            "must be of one rank if the weights come from memory, is of " + std::to_string(numRanks(config)));
    }
    std::vector<SafetensorsFile> files;
    files.push_back(std::move(file));
    return files;
}

std::int64_t columnsOf(Shape const& shape) {
    return shape.size() == 2 ? shape[1] : 1;
}

/// What one of `numRanks` files holds of a tensor.
Shape partShape(Shape whole, Split split, std::int64_t numRanks) {
    auto const dimension = split == Split::kCOLUMNS ? std::size_t{1} : std::size_t{0};
    whole[dimension] = (whole[dimension] + numRanks - 1) / numRanks;
    return whole;
}

/// Rows of one rank's part and where they belong in the whole.
struct Strip {
    std::int64_t from;
    std::int64_t count;
    std::int64_t toRow;
    std::int64_t toCol;
};

std::vector<Strip> stripsOf(HostMatrix const& part, std::int64_t rank, HostMatrix const& whole, Split split) {
    if (split == Split::kCOLUMNS) {
        return {{0, whole.rows, 0, rank * part.cols}};
    }
    if (split == Split::kROWS) {
        std::int64_t const first = std::min(rank * part.rows, whole.rows);
        return {{0, std::min(part.rows, whole.rows - first), first, 0}};
    }
    std::int64_t const count = part.rows / kFUSED_PARTS;
    std::vector<Strip> strips;
    for (std::int64_t i = 0; i < kFUSED_PARTS; ++i) {
        strips.push_back({i * count, count, i * whole.rows / kFUSED_PARTS + rank * count, 0});
    }
    return strips;
}

/// Parts whose values have scales become FP32: each rank has scales of its own.
void copyStrip(HostMatrix const& part, Strip const& strip, HostMatrix const& whole, std::byte* memory) {
    std::int64_t const valueBytes = compute::bytesPerValue(whole.dtype);
    auto const* const source = static_cast<std::byte const*>(part.data);
    for (std::int64_t row = 0; row < strip.count; ++row) {
        std::byte* const target = memory + ((strip.toRow + row) * whole.cols + strip.toCol) * valueBytes;
        std::int64_t const first = (strip.from + row) * part.cols;
        if (part.scales.empty()) {
            std::memcpy(target, source + first * valueBytes, static_cast<std::size_t>(part.cols * valueBytes));
        } else {
            compute::readValues(part, first, part.cols, reinterpret_cast<float*>(target));
        }
    }
}

HostTensor merge(std::span<HostTensor const> parts, Shape const& shape, Split split) {
    auto const& first = parts.front().matrix;
    HostTensor whole;
    whole.matrix = {nullptr, first.scales.empty() ? first.dtype : DataType::kFP32, shape[0], columnsOf(shape)};
    auto const bytes = whole.matrix.rows * whole.matrix.cols * compute::bytesPerValue(whole.matrix.dtype);
    whole.memory = std::make_unique_for_overwrite<std::byte[]>(static_cast<std::size_t>(bytes));
    whole.matrix.data = whole.memory.get();
    for (std::size_t rank = 0; rank < parts.size(); ++rank) {
        auto const& part = parts[rank].matrix;
        for (auto const& strip : stripsOf(part, static_cast<std::int64_t>(rank), whole.matrix, split)) {
            copyStrip(part, strip, whole.matrix, whole.memory.get());
        }
    }
    return whole;
}

/// The scales of the weight `name`, checked: one for all values or one for each row.
std::vector<float> readScales(SafetensorsFile const& file, std::string const& name, std::int64_t rows) {
    auto const prefix = name.substr(0, name.size() - std::string_view("weight").size());
    auto const scaleName = prefix + "weights_scaling_factor";
    if (!file.contains(scaleName) && file.contains(prefix + "per_channel_scale")) {
        throw UnsupportedModelError(file.path(), name,
            "is quantised in the layout of one GPU's kernels (per_channel_scale): quantise with ModelOpt, or convert "
            "without weight-only quantisation");
    }
    auto const& tensor = file.at(scaleName);
    std::vector<float> scales(tensor.data.size() / sizeof(float));
    if (tensor.dtype != DataType::kFP32 || (scales.size() != 1 && static_cast<std::int64_t>(scales.size()) != rows)) {
        throw ModelError(file.path(), scaleName, "must be 1 or " + std::to_string(rows) + " values of F32");
    }
    std::memcpy(scales.data(), tensor.data.data(), tensor.data.size());
    return scales;
}

bool isFloat(DataType type) {
    return type == DataType::kFP32 || type == DataType::kFP16 || type == DataType::kBF16;
}

/// The type of the stored values: FP8 may be stored as INT8 bytes.
DataType storedType(SafetensorsFile const& file, std::string const& name, Quantization quantization) {
    DataType const type = file.at(name).dtype;
    if (isFloat(type)) {
        return type;
    }
    bool const isBytes = type == DataType::kINT8;
    if (name.ends_with(".weight") && quantization == Quantization::kFP8 && (isBytes || type == DataType::kFP8)) {
        return DataType::kFP8;
    }
    if (name.ends_with(".weight") && quantization == Quantization::kINT8_WEIGHT_ONLY && isBytes) {
        return type;
    }
    throw ModelError(file.path(), name, "dtype must be F32, F16 or BF16, or that of quantization.quant_algo");
}

} // namespace

HostMatrix HostTensor::rows(std::int64_t first, std::int64_t count) const {
    auto const rowBytes = matrix.cols * compute::bytesPerValue(matrix.dtype);
    auto const* const data = static_cast<std::byte const*>(matrix.data) + first * rowBytes;
    auto const part = matrix.scales.size() > 1
        ? matrix.scales.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count))
        : matrix.scales;
    return {data, matrix.dtype, count, matrix.cols, part};
}

Checkpoint::Checkpoint(std::filesystem::path folder, ModelConfig const& config)
    : Checkpoint(folder, openRanks(folder, numRanks(config)), config) {}

Checkpoint::Checkpoint(SafetensorsFile file, ModelConfig const& config)
    : Checkpoint(file.path(), onlyRank(std::move(file), config), config) {}

Checkpoint::Checkpoint(std::filesystem::path folder, std::vector<SafetensorsFile> files, ModelConfig const& config)
    : mFolder(std::move(folder))
    , mConfig(config)
    , mFiles(std::move(files))
    , mHasOldNames(!mFiles.front().contains("transformer.vocab_embedding.weight")
          && mFiles.front().contains(oldName("transformer.vocab_embedding.weight", config.component))) {}

Checkpoint::Location Checkpoint::locate(std::string const& name) const {
    auto const ranksOf = [&](SizeType32 stage) {
        auto const numRanks = static_cast<std::size_t>(mConfig.tensorParallelism);
        return std::span(mFiles).subspan(static_cast<std::size_t>(stage) * numRanks, numRanks);
    };
    auto const nameInFile = [&](std::string const& today) {
        return mHasOldNames ? oldName(today, mConfig.component) : today;
    };
    if (auto const layer = locateLayer(name, mConfig)) {
        return {ranksOf(layer->stage), nameInFile(layer->name)};
    }
    SizeType32 stage = 0;
    while (stage + 1 < mConfig.pipelineParallelism && !ranksOf(stage).front().contains(nameInFile(name))) {
        ++stage;
    }
    return {ranksOf(stage), nameInFile(name)};
}

HostTensor Checkpoint::readPart(SafetensorsFile const& file, std::string const& name, Shape const& shape) const {
    auto const& tensor = file.at(name, shape);
    HostTensor part;
    part.matrix = {tensor.data.data(), storedType(file, name, mConfig.quantization), shape[0], columnsOf(shape)};
    if (!isFloat(part.matrix.dtype)) {
        part.scales = readScales(file, name, shape[0]);
        part.matrix.scales = part.scales;
    }
    return part;
}

HostTensor Checkpoint::read(std::string const& name, Shape const& shape, Split split) const {
    auto const [ranks, nameInFile] = locate(name);
    if (split == Split::kNONE || ranks.size() == 1) {
        return readPart(ranks.front(), nameInFile, shape);
    }
    std::vector<HostTensor> parts;
    for (auto const& file : ranks) {
        parts.push_back(readPart(file, nameInFile, partShape(shape, split, std::ssize(ranks))));
        if (parts.back().matrix.dtype != parts.front().matrix.dtype) {
            throw ModelError(file.path(), nameInFile, "dtype differs from that of the other ranks");
        }
    }
    return merge(parts, shape, split);
}

HostTensor Checkpoint::readMaybeSplit(std::string const& name, Shape const& shape) const {
    auto const [ranks, nameInFile] = locate(name);
    bool const isWhole = ranks.front().at(nameInFile).shape == shape;
    return read(name, shape, isWhole ? Split::kNONE : Split::kROWS);
}

} // namespace embedded
