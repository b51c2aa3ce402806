#include "runtimeShutdown.h"

#include <cstdio>
#include <exception>
#include <future>
#include <system_error>
#include <thread>
#include <utility>

namespace trtllm_node {
namespace {

void endRuntime(std::unique_ptr<RuntimeExecutor> runtime) {
    try {
        runtime->executor().shutdown();
    } catch (std::exception const& error) {
        std::fprintf(stderr, "trtllm-node: shutdown failed: %s\n", error.what());
    }
}

} // namespace

void shutDownRuntime(std::unique_ptr<RuntimeExecutor> runtime, std::chrono::steady_clock::time_point deadline) {
    std::packaged_task<void(std::unique_ptr<RuntimeExecutor>)> task(endRuntime);
    auto const ended = task.get_future();
    std::thread thread;
    try {
        thread = std::thread(std::move(task), std::move(runtime));
    } catch (std::system_error const&) {
        return; // no thread to be had: the arguments were destroyed here, and the runtime with them
    }
    if (ended.wait_until(deadline) == std::future_status::ready) {
        thread.join();
        return;
    }
    thread.detach();
    std::fputs("trtllm-node: the runtime is still busy and is left to end by itself\n", stderr);
}

std::future<void> followLeader(std::unique_ptr<RuntimeExecutor> runtime) {
    std::packaged_task<void(std::unique_ptr<RuntimeExecutor>)> task(endRuntime);
    auto ended = task.get_future();
    std::thread(std::move(task), std::move(runtime)).detach();
    return ended;
}

} // namespace trtllm_node
