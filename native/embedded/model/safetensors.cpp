#include "model/safetensors.h"

#include "model/modelError.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace embedded {

namespace {

using nlohmann::json;
using tensorrt_llm::executor::DataType;

constexpr std::size_t kLENGTH_BYTES = 8;
/// The format's own bound on the header.
constexpr std::uint64_t kMAX_HEADER_BYTES = 100'000'000;

struct DtypeName {
    std::string_view name;
    DataType dtype;
    std::uint64_t bytes;
};

constexpr std::array kDTYPES{
    DtypeName{"F32", DataType::kFP32, 4},
    DtypeName{"F16", DataType::kFP16, 2},
    DtypeName{"BF16", DataType::kBF16, 2},
    DtypeName{"F8_E4M3", DataType::kFP8, 1},
    DtypeName{"I64", DataType::kINT64, 8},
    DtypeName{"I32", DataType::kINT32, 4},
    DtypeName{"I8", DataType::kINT8, 1},
    DtypeName{"U8", DataType::kUINT8, 1},
    DtypeName{"BOOL", DataType::kBOOL, 1},
};

DtypeName const* findDtype(std::string_view name) {
    auto const found = std::ranges::find(kDTYPES, name, &DtypeName::name);
    return found == kDTYPES.end() ? nullptr : &*found;
}

std::string shapeText(std::vector<std::int64_t> const& shape) {
    return json(shape).dump();
}

/// The header's parser: throws with the file and tensor that it is at.
class HeaderReader {
public:
    HeaderReader(std::filesystem::path const& path, std::span<std::byte const> bytes)
        : mPath(path)
        , mBytes(bytes) {}

    std::map<std::string, TensorView> read() {
        json const header = parse();
        std::map<std::string, TensorView> tensors;
        for (auto const& [name, entry] : header.items()) {
            if (name != "__metadata__") {
                tensors.emplace(name, readTensor(name, entry));
            }
        }
        checkCoverage(tensors);
        return tensors;
    }

private:
    json parse() {
        if (mBytes.size() < kLENGTH_BYTES) {
            throw ModelError(mPath, "", "truncated: shorter than the header length");
        }
        std::uint64_t length = 0;
        std::memcpy(&length, mBytes.data(), kLENGTH_BYTES);
        if (length > kMAX_HEADER_BYTES || length > mBytes.size() - kLENGTH_BYTES) {
            throw ModelError(mPath, "", "header length " + std::to_string(length) + " exceeds the file");
        }
        auto const* text = reinterpret_cast<char const*>(mBytes.data() + kLENGTH_BYTES);
        json header = json::parse(text, text + length, nullptr, false);
        if (!header.is_object()) {
            throw ModelError(mPath, "", "the header is not a JSON object");
        }
        mData = mBytes.subspan(kLENGTH_BYTES + length);
        return header;
    }

    TensorView readTensor(std::string const& name, json const& entry) const {
        auto const fail = [&](std::string const& what) { return ModelError(mPath, name, what); };
        if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string()) {
            throw fail("has no dtype");
        }
        auto const dtypeName = entry["dtype"].get<std::string>();
        DtypeName const* const dtype = findDtype(dtypeName);
        if (dtype == nullptr) {
            throw fail("unknown dtype " + dtypeName);
        }
        auto const shape = unsignedList(entry, "shape");
        auto const offsets = unsignedList(entry, "data_offsets");
        if (!shape || !offsets || offsets->size() != 2) {
            throw fail("shape or data_offsets is not a list of non-negative integers");
        }
        auto const begin = (*offsets)[0];
        auto const end = (*offsets)[1];
        if (begin > end || end > mData.size()) {
            throw fail("data_offsets [" + std::to_string(begin) + ", " + std::to_string(end) + ") exceed the "
                + std::to_string(mData.size()) + " bytes of data (file truncated?)");
        }
        if (byteSize(*shape, dtype->bytes) != end - begin) {
            throw fail("shape and dtype do not match the " + std::to_string(end - begin) + " bytes of data_offsets");
        }
        return {dtype->dtype, {shape->begin(), shape->end()}, mData.subspan(begin, end - begin)};
    }

    static std::optional<std::vector<std::uint64_t>> unsignedList(json const& entry, char const* key) {
        if (!entry.contains(key) || !entry[key].is_array()
            || !std::ranges::all_of(entry[key], [](json const& item) { return item.is_number_unsigned(); })) {
            return std::nullopt;
        }
        return entry[key].get<std::vector<std::uint64_t>>();
    }

    /// Product of the dimensions in bytes; empty on overflow.
    static std::optional<std::uint64_t> byteSize(std::vector<std::uint64_t> const& shape, std::uint64_t itemBytes) {
        std::uint64_t size = itemBytes;
        for (auto const dimension : shape) {
            if (__builtin_mul_overflow(size, dimension, &size)) {
                return std::nullopt;
            }
        }
        return size;
    }

    void checkCoverage(std::map<std::string, TensorView> const& tensors) const {
        using Extent = std::pair<std::span<std::byte const>, std::string const*>;
        std::vector<Extent> extents;
        for (auto const& [name, tensor] : tensors) {
            extents.emplace_back(tensor.data, &name);
        }
        auto const order = [](Extent const& a, Extent const& b) {
            return std::pair(a.first.data(), a.first.size()) < std::pair(b.first.data(), b.first.size());
        };
        std::ranges::sort(extents, order);
        auto const* expected = mData.data();
        for (auto const& [data, name] : extents) {
            if (data.data() != expected) {
                throw ModelError(mPath, *name, data.data() < expected ? "overlaps another tensor" : "follows a gap");
            }
            expected += data.size();
        }
        if (expected != mData.data() + mData.size()) {
            throw ModelError(mPath, "", "oversized: bytes after the last tensor");
        }
    }

    std::filesystem::path const& mPath;
    std::span<std::byte const> mBytes;
    std::span<std::byte const> mData;
};

} // namespace

SafetensorsFile::SafetensorsFile(std::filesystem::path const& path)
    : mPath(path)
    , mFile(path)
    , mTensors(HeaderReader(mPath, mFile->bytes()).read()) {}

SafetensorsFile::SafetensorsFile(std::filesystem::path name, std::span<std::byte const> content)
    : mPath(std::move(name))
    , mTensors(HeaderReader(mPath, content).read()) {}

TensorView const& SafetensorsFile::at(std::string const& name) const {
    auto const found = mTensors.find(name);
    if (found == mTensors.end()) {
        throw ModelError(mPath, name, "tensor is missing");
    }
    return found->second;
}

TensorView const& SafetensorsFile::at(std::string const& name, std::vector<std::int64_t> const& shape) const {
    auto const& tensor = at(name);
    if (tensor.shape != shape) {
        throw ModelError(mPath, name, "shape must be " + shapeText(shape) + ", is " + shapeText(tensor.shape));
    }
    return tensor;
}

} // namespace embedded
