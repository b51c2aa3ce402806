/// The C++ side of `npm run bench:border`: streaming requests on the Executor API, as many in flight as asked for.
/// Prints one JSON object with the fields of scripts/bench/border/node-side.mjs.
///
///   trtllm_node_border WORKLOAD_JSON
///
/// {"model": folder, "streams", "requests", "inputs": [token ids of request i modulo their number], "maxTokens",
///  "latency": whether tokens are stamps of the instant runtime, "warmUp": requests before}
#include "instantStamp.h"

#include "runtimeExtension.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace trtllm_node {
namespace {

namespace texec = tensorrt_llm::executor;
using Clock = std::chrono::steady_clock;

class Border {
public:
    explicit Border(nlohmann::json const& workload)
        : mInputs(workload.at("inputs"))
        , mNumStreams(workload.at("streams"))
        , mMaxTokens(workload.at("maxTokens"))
        , mWithLatency(workload.at("latency")) {
        texec::KvCacheConfig kvCache(false);
        kvCache.setCrossKvCacheFraction(0.5F);
        texec::ExecutorConfig config;
        config.setKvCacheConfig(kvCache);
        config.setMaxBatchSize(64);
        std::filesystem::path const folder = workload.at("model").get<std::string>();
        RuntimeOptions options;
        options.reuseEncoder = false;
        ModelSource model;
        model.encoderPath = folder / "encoder";
        model.decoderPath = folder / "decoder";
        mRuntime = createRuntimeExecutor(model, config, options);
    }

    /// Tokens that so many requests gave, `mNumStreams` of them at a time.
    std::size_t run(std::size_t numRequests) {
        mLatencies.clear();
        std::size_t numTokens = 0;
        std::size_t numStarted = std::min(mNumStreams, numRequests);
        start(0, numStarted);
        for (auto numOpen = numRequests; numOpen > 0;) {
            auto const responses = mRuntime->executor().awaitResponses();
            std::size_t numEnded = 0;
            for (auto const& response : responses) {
                numTokens += read(response);
                numEnded += response.getResult().isFinal ? 1 : 0;
            }
            auto const numNext = std::min(numEnded, numRequests - numStarted);
            start(numStarted, numNext);
            numStarted += numNext;
            numOpen -= numEnded;
        }
        return numTokens;
    }

    /// Microseconds from the emission of each token to its arrival here.
    [[nodiscard]] std::vector<double>& latencies() { return mLatencies; }

private:
    void start(std::size_t first, std::size_t count) {
        std::vector<texec::Request> requests;
        for (std::size_t i = first; i < first + count; ++i) {
            texec::OutputConfig output;
            output.excludeInputFromOutput = true;
            requests.emplace_back(texec::VecTokens{0}, mMaxTokens, true, texec::SamplingConfig(1), output);
            requests.back().setEncoderInputTokenIds(mInputs[i % mInputs.size()]);
        }
        if (!requests.empty()) {
            (void)mRuntime->executor().enqueueRequests(requests);
        }
    }

    std::size_t read(texec::Response const& response) {
        if (response.hasError()) {
            throw std::runtime_error(response.getErrorMsg());
        }
        auto const& tokens = response.getResult().outputTokenIds.at(0);
        if (mWithLatency) {
            auto const now = stampOf(Clock::now());
            for (auto const token : tokens) {
                mLatencies.push_back((now - token) / 10.0);
            }
        }
        return tokens.size();
    }

    std::unique_ptr<RuntimeExecutor> mRuntime;
    std::vector<texec::VecTokens> mInputs;
    std::size_t mNumStreams;
    texec::SizeType32 mMaxTokens;
    bool mWithLatency;
    std::vector<double> mLatencies;
};

nlohmann::json measure(nlohmann::json const& workload) {
    Border border(workload);
    (void)border.run(workload.at("warmUp"));
    auto const start = Clock::now();
    auto const numTokens = border.run(workload.at("requests"));
    nlohmann::json report{
        {"tokens", numTokens}, {"seconds", std::chrono::duration<double>(Clock::now() - start).count()}};
    if (auto& latencies = border.latencies(); !latencies.empty()) {
        std::ranges::sort(latencies);
        report["latencyUs"] = latencies[latencies.size() / 2];
    }
    return report;
}

} // namespace
} // namespace trtllm_node

int main(int argc, char** argv) {
    try {
        if (argc != 2) {
            throw std::invalid_argument("usage: trtllm_node_border WORKLOAD_JSON");
        }
        std::printf("%s\n", trtllm_node::measure(nlohmann::json::parse(argv[1])).dump().c_str());
        return EXIT_SUCCESS;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return EXIT_FAILURE;
    }
}
