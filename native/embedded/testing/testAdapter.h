/// Random LoRA adapters for the checkpoints of tests, and the same merged into their weights.
#pragma once

#include "testing/testCheckpoint.h"

#include "tensorrt_llm/executor/executor.h"

#include <vector>

namespace embedded::testing {

struct TestModel {
    TestCheckpoint encoder;
    TestCheckpoint decoder;
};

/// Which module of which layer; encoder layers follow the decoder's.
struct TestModule {
    SizeType32 id;
    SizeType32 layer;
    SizeType32 rank;
};

class TestAdapter {
public:
    /// Factors of a size that changes the model's output a lot.
    TestAdapter(TestModel const& model, std::vector<TestModule> const& modules, unsigned seed);

    /// The two tensors of the API.
    [[nodiscard]] tensorrt_llm::executor::LoraConfig config(tensorrt_llm::executor::IdType task) const;

    /// W + up · down, for FP32 weights.
    [[nodiscard]] TestModel mergedInto(TestModel model) const;

private:
    struct Factors {
        TestModule module;
        std::vector<float> down; ///< [rank, inputs]
        std::vector<float> up;   ///< [outputs, rank]
    };

    std::vector<Factors> mFactors;
};

/// Every module of every layer with ranks 1, 2, 3, …, `maxRank`, 1, 2, …; the fused ones left out.
[[nodiscard]] std::vector<TestModule> allModules(TestModel const& model, SizeType32 maxRank);

} // namespace embedded::testing
