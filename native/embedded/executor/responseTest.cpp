#include "tensorrt_llm/executor/response.h"

#include "executor/valueTesting.h"

#include <gtest/gtest.h>

#include <type_traits>
#include <utility>

namespace tensorrt_llm::executor {

TEST(Result, StartsEmpty) {
    Result const result;
    EXPECT_FALSE(result.isFinal);
    EXPECT_TRUE(result.outputTokenIds.empty());
    EXPECT_FALSE(result.cumLogProbs || result.logProbs || result.contextLogits || result.generationLogits);
    EXPECT_FALSE(result.encoderOutput || result.requestPerfMetrics);
    EXPECT_EQ(result.decodingIter, 0);
    EXPECT_EQ(result.avgDecodedTokensPerIter, 0.0F);
    EXPECT_EQ(result.sequenceIndex, 0);
    EXPECT_FALSE(result.isSequenceFinal);
    EXPECT_TRUE(result.additionalOutputs.empty());
}

TEST(Response, HoldsAResult) {
    Result result;
    result.outputTokenIds = {{1, 2}};
    result.additionalOutputs.emplace_back("x", Tensor::cpu<float>({1}));
    Response const response(5, result, 9);
    EXPECT_EQ(response.getRequestId(), 5);
    EXPECT_EQ(response.getClientId(), 9);
    EXPECT_FALSE(response.hasError());
    EXPECT_EQ(response.getResult().outputTokenIds, result.outputTokenIds);
    EXPECT_EQ(response.getResult().additionalOutputs[0].name, "x");
    EXPECT_EQ(&response.getResult(), &response.getResult());
    EXPECT_EQ(errorOf([&] { return response.getErrorMsg(); }),
        "[ERR_RUNTIME] the response holds a result, not an error: ask hasError() first");
}

TEST(Response, HoldsAnError) {
    Response const response(5, "too long");
    EXPECT_FALSE(response.getClientId());
    EXPECT_TRUE(response.hasError());
    EXPECT_EQ(response.getErrorMsg(), "too long");
    EXPECT_EQ(errorOf([&] { return response.getResult().isFinal; }),
        "[ERR_RUNTIME] the response holds an error, not a result: too long");
    EXPECT_EQ(errorOf([] { return Response(5, ""); }), invalid("errorMsg length must be >= 1, got 0"));
}

TEST(Response, CopiesAreDeepAndMovesLeaveAShell) {
    static_assert(std::is_nothrow_move_constructible_v<Response> && std::is_nothrow_move_assignable_v<Response>);
    Response original(5, Result{});
    Response copy(original);
    EXPECT_NE(&copy.getResult(), &original.getResult());
    Response moved(std::move(original));
    EXPECT_EQ(moved.getRequestId(), 5);
    copy = original;
    original = moved;
    EXPECT_EQ(original.getRequestId(), 5);
    copy = std::move(original);
    EXPECT_EQ(copy.getRequestId(), 5);
}

} // namespace tensorrt_llm::executor
