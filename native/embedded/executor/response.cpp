#include "tensorrt_llm/executor/response.h"

#include "executor/checks.h"
#include "executor/responseAccess.h"

#include <utility>
#include <variant>

namespace tensorrt_llm::executor {

AdditionalOutput::AdditionalOutput(std::string outputName, Tensor outputTensor)
    : name(std::move(outputName))
    , output(std::move(outputTensor)) {}

struct Response::Impl {
    IdType requestId;
    std::optional<IdType> clientId;
    std::variant<std::string, Result> errorOrResult;
    std::optional<ResponseAccess::TimePoint> encodedTime = std::nullopt;
    std::optional<SizeType32> stableLength = std::nullopt;
};

Response::Response(IdType requestId, std::string errorMsg, std::optional<IdType> clientId) {
    checks::checked("errorMsg length", errorMsg.size(), {.atLeast = 1});
    mImpl.reset(new Impl{requestId, clientId, std::move(errorMsg)});
}

Response::Response(IdType requestId, Result result, std::optional<IdType> clientId)
    : mImpl(new Impl{requestId, clientId, std::move(result)}) {}

Response::Response(Response const& other)
    : mImpl(other.mImpl ? std::make_unique<Impl>(*other.mImpl) : nullptr) {}

Response::Response(Response&& other) noexcept = default;

Response& Response::operator=(Response const& other) {
    return *this = Response(other);
}

Response& Response::operator=(Response&& other) noexcept = default;

Response::~Response() = default;

IdType Response::getRequestId() const {
    return mImpl->requestId;
}

std::optional<IdType> Response::getClientId() const {
    return mImpl->clientId;
}

bool Response::hasError() const {
    return std::holds_alternative<std::string>(mImpl->errorOrResult);
}

std::string const& Response::getErrorMsg() const {
    if (!hasError()) {
        checks::fail("ERR_RUNTIME", "the response holds a result, not an error: ask hasError() first");
    }
    return std::get<std::string>(mImpl->errorOrResult);
}

Result const& Response::getResult() const {
    if (hasError()) {
        checks::fail("ERR_RUNTIME", "the response holds an error, not a result: " + getErrorMsg());
    }
    return std::get<Result>(mImpl->errorOrResult);
}

std::optional<ResponseAccess::TimePoint> ResponseAccess::encodedTime(Response const& response) {
    return response.mImpl->encodedTime;
}

void ResponseAccess::setEncodedTime(Response& response, TimePoint time) {
    response.mImpl->encodedTime = time;
}

std::optional<SizeType32> ResponseAccess::stableLength(Response const& response) {
    return response.mImpl->stableLength;
}

void ResponseAccess::setStableLength(Response& response, SizeType32 length) {
    response.mImpl->stableLength = length;
}

} // namespace tensorrt_llm::executor
