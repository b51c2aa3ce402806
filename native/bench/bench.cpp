/// How fast the embedded runtime is without Node.js: four workloads on one checkpoint, and the machine's memory
/// bandwidth in the same run. Prints one JSON object.
///
///   trtllm_node_bench FOLDER [--weights auto] [--threads 0] [--workloads ABCD] [--rounds 3]
///
///   A  one request of 64 input and 64 output tokens: milliseconds per output token
///   B  16 such requests at once: output tokens per second
///   C  64 requests at once, inputs of 16 to 256 and outputs of 8 to 128 tokens
///   D  8 requests of 64 and 64 tokens with 4 beams; the tokens of the best beam count
#include "executor/model.h"

#include "tensorrt_llm/executor/executor.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace embedded {
namespace {

namespace texec = tensorrt_llm::executor;
using Clock = std::chrono::steady_clock;

struct Options {
    std::filesystem::path folder;
    EmbeddedOptions runtime;
    std::string workloads = "ABCD";
    int rounds = 3;
};

Options parse(std::span<char*> arguments) {
    if (arguments.size() < 2 || arguments.size() % 2 != 0) {
        throw std::invalid_argument("usage: trtllm_node_bench FOLDER [--weights auto] [--threads 0] "
                                    "[--workloads ABCD] [--rounds 3]");
    }
    Options options;
    options.folder = arguments[1];
    options.runtime.reuseEncoder = false;
    for (std::size_t i = 2; i < arguments.size(); i += 2) {
        std::string const name = arguments[i];
        std::string const value = arguments[i + 1];
        if (name == "--weights") {
            options.runtime.weights = value;
        } else if (name == "--threads") {
            options.runtime.threads = std::stoi(value);
        } else if (name == "--workloads") {
            options.workloads = value;
        } else if (name == "--rounds") {
            options.rounds = std::stoi(value);
        } else {
            throw std::invalid_argument("unknown option " + name);
        }
    }
    return options;
}

double secondsSince(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

class Bench {
public:
    explicit Bench(Options const& options)
        : mEncoder(std::make_shared<texec::Model>(options.folder / "encoder", Component::kENCODER, options.runtime))
        , mDecoder(std::make_shared<texec::Model>(options.folder / "decoder", Component::kDECODER, options.runtime)) {
        texec::KvCacheConfig kvCache(false);
        kvCache.setCrossKvCacheFraction(0.5F);
        texec::ExecutorConfig config(kMAX_BEAM_WIDTH);
        config.setKvCacheConfig(kvCache);
        auto const start = Clock::now();
        mExecutor = std::make_unique<texec::Executor>(mEncoder, mDecoder, config);
        mLoadSeconds = secondsSince(start);
    }

    [[nodiscard]] double loadSeconds() const { return mLoadSeconds; }

    /// Milliseconds per token for workload A, else tokens per second.
    double run(char workload) {
        std::vector<texec::Request> requests;
        switch (workload) {
        case 'A':
            requests.push_back(request(0, 64, 64));
            break;
        case 'B':
            for (int i = 0; i < 16; ++i) {
                requests.push_back(request(i, 64, 64));
            }
            break;
        case 'C':
            for (int i = 0; i < 64; ++i) {
                requests.push_back(request(i, 16 + i * 37 % 64 * 240 / 63, 8 + i * 23 % 64 * 120 / 63));
            }
            break;
        case 'D':
            for (int i = 0; i < 8; ++i) {
                requests.push_back(request(i, 64, 64, kMAX_BEAM_WIDTH));
            }
            break;
        default:
            throw std::invalid_argument(std::string("no workload ") + workload);
        }
        auto const start = Clock::now();
        auto const numTokens = generate(requests);
        auto const seconds = secondsSince(start);
        return workload == 'A' ? 1000 * seconds / numTokens : numTokens / seconds;
    }

private:
    static constexpr SizeType32 kMAX_BEAM_WIDTH = 4;

    [[nodiscard]] texec::Request request(int seed, SizeType32 inputs, SizeType32 outputs, SizeType32 beams = 1) const {
        auto const& config = mDecoder->config();
        texec::OutputConfig output;
        output.excludeInputFromOutput = true;
        texec::SamplingConfig sampling(beams);
        if (beams > 1) {
            sampling.setNumReturnSequences(1);
        }
        texec::Request request({0}, outputs, false, sampling, output);
        texec::VecTokens tokens(static_cast<std::size_t>(inputs));
        for (SizeType32 i = 0; i < inputs; ++i) {
            tokens[static_cast<std::size_t>(i)] = 3 + (seed * 997 + i * 31) % (config.vocabSize - 3);
        }
        request.setEncoderInputTokenIds(tokens);
        return request;
    }

    double generate(std::vector<texec::Request> const& requests) {
        auto open = mExecutor->enqueueRequests(requests).size();
        double numTokens = 0;
        while (open > 0) {
            for (auto const& response : mExecutor->awaitResponses()) {
                if (response.hasError()) {
                    throw std::runtime_error(response.getErrorMsg());
                }
                numTokens += static_cast<double>(response.getResult().outputTokenIds.at(0).size());
                open -= response.getResult().isFinal ? 1 : 0;
            }
        }
        return numTokens;
    }

    std::shared_ptr<texec::Model> mEncoder;
    std::shared_ptr<texec::Model> mDecoder;
    std::unique_ptr<texec::Executor> mExecutor;
    double mLoadSeconds = 0;
};

/// GB/s of reading memory, all threads together: what a decode step that streams its weights can reach at most.
double readBandwidth(std::size_t numThreads) {
    constexpr std::size_t kWORDS = std::size_t{32} << 20;
    constexpr int kPASSES = 3;
    std::vector<std::uint64_t> memory(kWORDS, 1);
    std::vector<std::uint64_t> sums(numThreads);
    double best = 0;
    for (int pass = 0; pass < kPASSES; ++pass) {
        auto const start = Clock::now();
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < numThreads; ++i) {
            threads.emplace_back([&, i] {
                auto const part = std::span(memory).subspan(i * (kWORDS / numThreads), kWORDS / numThreads);
                sums[i] = std::accumulate(part.begin(), part.end(), std::uint64_t{0});
            });
        }
        std::ranges::for_each(threads, &std::thread::join);
        best = std::max(best, static_cast<double>(kWORDS * sizeof(std::uint64_t)) / secondsSince(start) / 1e9);
    }
    return std::accumulate(sums.begin(), sums.end(), std::uint64_t{0}) > 0 ? best : 0;
}

nlohmann::json measure(Options const& options) {
    Bench bench(options);
    std::map<std::string, std::vector<double>> runs;
    for (char const workload : options.workloads) {
        (void)bench.run(workload); // memory is committed by its first use
    }
    for (int round = 0; round < options.rounds; ++round) {
        for (char const workload : options.workloads) {
            runs[{workload}].push_back(bench.run(workload));
        }
    }
    nlohmann::json report{{"model", options.folder.filename().string()}, {"weights", options.runtime.weights},
        {"loadSeconds", bench.loadSeconds()}, {"rounds", options.rounds},
        {"bandwidthGBs", readBandwidth(std::thread::hardware_concurrency())}};
    for (auto const& [workload, values] : runs) {
        report[workload] = {{"median", median(values)}, {"min", std::ranges::min(values)},
            {"max", std::ranges::max(values)}, {"unit", workload == "A" ? "ms/token" : "tokens/s"}};
    }
    return report;
}

} // namespace
} // namespace embedded

int main(int argc, char** argv) {
    try {
        auto const options = embedded::parse({argv, static_cast<std::size_t>(argc)});
        std::printf("%s\n", embedded::measure(options).dump().c_str());
        return EXIT_SUCCESS;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return EXIT_FAILURE;
    }
}
