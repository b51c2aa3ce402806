/// What an installed libtensorrt_llm.so does and the embedded runtime does not: engine folders, MPI, ranks.
///
/// A stand-in for an engine is a folder with rank0.engine, the checkpoint's rank files, and a config.json that is the
/// checkpoint's with what trtllm-build adds ("version", "pretrained_config", "build_config") and, under "stand_in", the
/// embedded runtime's options (scripts/stand-in.mjs).
#include "openMpi.h"

#include "executor/executorImpl.h"
#include "executor/model.h"

#include "tensorrt_llm/common/tllmException.h"

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

namespace tensorrt_llm::executor {

namespace {

using common::TllmException;
using embedded::Component;

void abortAllRanks(int signal) {
    MPI_Abort(commWorld(), signal);
}

/// As the real one: its own finalisation at exit, and handlers that turn a crash into the end of every rank.
void startMpi() {
    int initialized = 0;
    MPI_Initialized(&initialized);
    if (initialized != 0) {
        return;
    }
    int provided = 0;
    if (MPI_Init_thread(nullptr, nullptr, kMPI_THREAD_MULTIPLE, &provided) != 0 || provided < kMPI_THREAD_MULTIPLE) {
        throw TllmException("[TensorRT-LLM][ERROR] MPI_Init_thread failed");
    }
    std::atexit([] { MPI_Finalize(); });
    std::signal(SIGABRT, abortAllRanks);
    std::signal(SIGSEGV, abortAllRanks);
}

int worldRank() {
    int rank = 0;
    MPI_Comm_rank(commWorld(), &rank);
    return rank;
}

nlohmann::json readEngineConfig(std::filesystem::path const& folder) {
    std::ifstream file(folder / "config.json");
    if (!file) {
        throw TllmException("[TensorRT-LLM][ERROR] File does not exist: " + (folder / "config.json").string());
    }
    return nlohmann::json::parse(file);
}

/// TensorRT refuses the engines of other versions, and says so on stderr only.
void requireOwnEngine(std::filesystem::path const& folder, nlohmann::json const& config) {
    if (!std::filesystem::exists(folder / "rank0.engine")) {
        throw TllmException("[TensorRT-LLM][ERROR] Error opening engine file: " + (folder / "rank0.engine").string());
    }
    if (config.at("version") != version()) {
        throw TllmException("[TensorRT-LLM][ERROR] Assertion failed: Failed to deserialize cuda engine. "
                            "(tllmRuntime.cpp:70)\n1 0x7f0000000000 a backtrace");
    }
}

embedded::EmbeddedOptions optionsOf(nlohmann::json const& config) {
    auto const own = config.value("stand_in", nlohmann::json::object());
    embedded::EmbeddedOptions options;
    options.threads = own.value("threads", options.threads);
    options.weights = own.value("weights", options.weights);
    options.tokensPerBlock = own.value("tokensPerBlock", options.tokensPerBlock);
    options.encoderTokenBudget = own.value("encoderTokenBudget", options.encoderTokenBudget);
    options.reuseEncoder = own.value("reuseEncoder", options.reuseEncoder);
    return options;
}

Model openEngine(std::filesystem::path const& folder, Component component) {
    auto const config = readEngineConfig(folder);
    requireOwnEngine(folder, config);
    return {folder, component, optionsOf(config)};
}

Model openEngine(BufferView const& engine, std::string const& config, Component component) {
    return {engine, config, component, optionsOf(nlohmann::json::parse(config))};
}

void requireEncoderDecoder(ModelType modelType) {
    if (modelType != ModelType::kENCODER_DECODER) {
        throw TllmException("[TensorRT-LLM][ERROR] the stand-in cannot run decoder-only models");
    }
}

void requireLeader() {
    if (worldRank() != 0) {
        throw TllmException("[TensorRT-LLM][ERROR] Only the leader can enqueue requests");
    }
}

/// Every rank has constructed its Executor, or has ended it.
void meetAllRanks() {
    MPI_Barrier(commWorld());
}

} // namespace

Executor::Executor(std::filesystem::path const& modelPath, ModelType modelType, ExecutorConfig const& executorConfig) {
    requireEncoderDecoder(modelType);
    startMpi();
    mImpl = std::make_unique<Impl>(nullptr, openEngine(modelPath, Component::kDECODER), executorConfig);
    meetAllRanks();
}

Executor::Executor(BufferView const& engineBuffer, std::string const& jsonConfigStr, ModelType modelType,
    ExecutorConfig const& executorConfig, std::optional<std::map<std::string, Tensor>> const&) {
    requireEncoderDecoder(modelType);
    startMpi();
    mImpl =
        std::make_unique<Impl>(nullptr, openEngine(engineBuffer, jsonConfigStr, Component::kDECODER), executorConfig);
    meetAllRanks();
}

Executor::Executor(BufferView const& encoderEngineBuffer, std::string const& encoderJsonConfigStr,
    BufferView const& decoderEngineBuffer, std::string const& decoderJsonConfigStr, ModelType,
    ExecutorConfig const& executorConfig) {
    startMpi();
    auto const encoder = openEngine(encoderEngineBuffer, encoderJsonConfigStr, Component::kENCODER);
    auto const decoder = openEngine(decoderEngineBuffer, decoderJsonConfigStr, Component::kDECODER);
    mImpl = std::make_unique<Impl>(&encoder, decoder, executorConfig);
    meetAllRanks();
}

Executor::Executor(std::filesystem::path const& encoderModelPath, std::filesystem::path const& decoderModelPath,
    ModelType, ExecutorConfig const& executorConfig) {
    startMpi();
    auto const encoder = openEngine(encoderModelPath, Component::kENCODER);
    auto const decoder = openEngine(decoderModelPath, Component::kDECODER);
    mImpl = std::make_unique<Impl>(&encoder, decoder, executorConfig);
    meetAllRanks();
}

Executor::~Executor() {
    if (mImpl) {
        shutdown();
    }
}

IdType Executor::enqueueRequest(Request const& request) {
    requireLeader();
    return mImpl->enqueue({request}).front();
}

std::vector<IdType> Executor::enqueueRequests(std::vector<Request> const& requests) {
    requireLeader();
    return mImpl->enqueue(requests);
}

/// On the other ranks it waits for the leader's.
void Executor::shutdown() {
    bool const first = !mImpl->isShutdown();
    mImpl->shutdown();
    if (first) {
        meetAllRanks();
    }
}

bool Executor::canEnqueueRequests() const {
    return worldRank() == 0 && !mImpl->isShutdown();
}

} // namespace tensorrt_llm::executor
