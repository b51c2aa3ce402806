#include "model/safetensors.h"

#include "testing/testData.h"

#include <cstring>
#include <gtest/gtest.h>

namespace embedded {
namespace {

using testing::errorOf;
using testing::TemporaryFolder;
using ::testing::TestWithParam;

std::string file(std::string const& header, std::string const& data) {
    std::uint64_t const length = header.size();
    std::string bytes(sizeof length, '\0');
    std::memcpy(bytes.data(), &length, sizeof length);
    return bytes + header + data;
}

constexpr char const* kHEADER = R"({"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
                                R"("b":{"dtype":"BF16","shape":[3],"data_offsets":[8,14]},)"
                                R"("__metadata__":{"format":"pt"}})";

TEST(Safetensors, ReadsShapesTypesAndBytes) {
    TemporaryFolder const folder;
    SafetensorsFile const tensors(folder.write("w.safetensors", file(kHEADER, "aaaaaaaabbbbbb")));
    EXPECT_EQ(tensors.tensors().size(), 2U);
    auto const& b = tensors.at("b");
    EXPECT_EQ(b.dtype, tensorrt_llm::executor::DataType::kBF16);
    EXPECT_EQ(b.shape, std::vector<std::int64_t>{3});
    EXPECT_EQ(static_cast<char>(b.data.front()), 'b');
    EXPECT_EQ(tensors.at("a", {1, 2}).data.size(), 8U);
}

TEST(Safetensors, NamesFileTensorAndShapesOfAWrongTensor) {
    TemporaryFolder const folder;
    SafetensorsFile const tensors(folder.write("w.safetensors", file(kHEADER, "aaaaaaaabbbbbb")));
    auto const error = errorOf([&] { (void)tensors.at("a", {2, 1}); });
    EXPECT_NE(error.find("w.safetensors, a: shape must be [2,1], is [1,2]"), std::string::npos) << error;
    EXPECT_NE(errorOf([&] { (void)tensors.at("c"); }).find("c: tensor is missing"), std::string::npos);
}

struct Broken {
    char const* name;
    std::string content;
    char const* message;
};

class BrokenSafetensors : public TestWithParam<Broken> {};

TEST_P(BrokenSafetensors, IsRefusedByName) {
    TemporaryFolder const folder;
    auto const path = folder.write("w.safetensors", GetParam().content);
    auto const error = errorOf([&] { SafetensorsFile const tensors(path); });
    EXPECT_TRUE(error.starts_with("[ERR_MODEL_INVALID] " + path.string())) << error;
    EXPECT_NE(error.find(GetParam().message), std::string::npos) << error;
}

std::string one(std::string const& entry, std::string const& data) {
    return file(R"({"a":)" + entry + "}", data);
}

INSTANTIATE_TEST_SUITE_P(All, BrokenSafetensors,
    ::testing::Values(Broken{"empty", "", "the file is empty"}, Broken{"short", "abc", "truncated"},
        Broken{"headerBeyondEnd", file("{}", "").replace(0, 1, "\x7f"), "header length"},
        Broken{"hugeHeader", std::string(8, '\xff'), "header length"}, Broken{"notJson", file("nonsense", ""), "JSON"},
        Broken{"noDtype", one(R"({"shape":[1],"data_offsets":[0,4]})", "aaaa"), "a: has no dtype"},
        Broken{"unknownDtype", one(R"({"dtype":"F99","shape":[1],"data_offsets":[0,4]})", "aaaa"), "unknown dtype F99"},
        Broken{"negativeShape", one(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})", "aaaa"), "non-negative"},
        Broken{"truncated", one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})", "aaaa"), "file truncated?"},
        Broken{"reversed", one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})", "aaaa"), "data_offsets [4, 0)"},
        Broken{"wrongSize", one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,4]})", "aaaa"), "do not match"},
        Broken{"overflow", one(R"({"dtype":"F32","shape":[9223372036854775807,4],"data_offsets":[0,4]})", "aaaa"),
            "do not match"},
        Broken{"oversized", one(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})", "aaaab"), "oversized"},
        Broken{"gap", one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})", "aaaabbbb"), "follows a gap"},
        Broken{"overlap",
            file(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
                 R"("b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
                "aaab"),
            "b: overlaps"}),
    [](auto const& test) { return test.param.name; });

TEST(Safetensors, MissingFileIsNamed) {
    auto const error = errorOf([] { SafetensorsFile const tensors("/nowhere/w.safetensors"); });
    EXPECT_NE(error.find("/nowhere/w.safetensors: No such file"), std::string::npos) << error;
}

} // namespace
} // namespace embedded
