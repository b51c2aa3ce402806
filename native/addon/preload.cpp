#include "preload.h"

#include "errors.h"
#include "fields.h"
#include "worker.h"

#include <dlfcn.h>

#include <mutex>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace trtllm_node {
namespace {

struct Library {
    std::string soname;
    std::string path;
    bool global = false; ///< whether libraries that are opened later see its symbols
};

struct PreloadPlan {
    std::vector<Library> dependencies; ///< in the order of opening
    std::string runtime;               ///< libtensorrt_llm.so
    std::string plugins;               ///< libnvinfer_plugin_tensorrt_llm.so
    std::string version;               ///< what the runtime must say it is
};

/// `char const* tensorrt_llm::executor::version() noexcept`, as compilers call it.
constexpr char const* kVERSION_SYMBOL = "_ZN12tensorrt_llm8executor7versionEv";

void* open(std::string const& path, int visibility) {
    void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_NODELETE | visibility);
    if (handle == nullptr) {
        throw std::runtime_error(std::string("[ERR_RUNTIME_LOAD] ") + dlerror());
    }
    return handle;
}

template <typename Function> Function find(void* library, char const* symbol, std::string const& path) {
    void* const found = dlsym(library, symbol);
    if (found == nullptr) {
        throw std::runtime_error("[ERR_RUNTIME_LOAD] " + path + " has no " + symbol);
    }
    return reinterpret_cast<Function>(found);
}

void openDependency(Library const& library) {
    int const visibility = library.global ? RTLD_GLOBAL : RTLD_LOCAL;
    // A second copy of a loaded library would have its own state. Asking for it makes it global if it has to be.
    if (dlopen(library.soname.c_str(), RTLD_LAZY | RTLD_NOLOAD | visibility) == nullptr) {
        open(library.path, visibility);
    }
}

void requireVersion(void* runtime, PreloadPlan const& plan) {
    std::string const found = find<char const* (*)()>(runtime, kVERSION_SYMBOL, plan.runtime)();
    if (found != plan.version) {
        throw std::runtime_error(
            "[ERR_RUNTIME_VERSION] " + plan.runtime + " is version " + found + ", not " + plan.version);
    }
}

void initPlugins(std::string const& path) {
    auto const init = find<bool (*)(void*, char const*)>(open(path, RTLD_LOCAL), "initTrtLlmPlugins", path);
    if (!init(nullptr, "tensorrt_llm")) { // no logger: the library's own
        throw std::runtime_error("[ERR_RUNTIME_LOAD] initTrtLlmPlugins of " + path + " failed");
    }
}

/// Environments of several threads share the process, which holds one TensorRT-LLM for ever.
std::monostate openAll(PreloadPlan const& plan) {
    static std::mutex mutex;
    static std::string loaded;
    std::lock_guard const lock(mutex);
    if (loaded == plan.runtime) {
        return {};
    }
    if (!loaded.empty()) {
        throw std::runtime_error("[ERR_RUNTIME_LOAD] this process has loaded " + loaded + " and cannot load another");
    }
    for (Library const& library : plan.dependencies) {
        openDependency(library);
    }
    requireVersion(open(plan.runtime, RTLD_LOCAL), plan);
    initPlugins(plan.plugins);
    loaded = plan.runtime;
    return {};
}

std::monostate startAndEndMpi(std::string const& path) {
    constexpr int kTHREAD_MULTIPLE = 3;
    void* const library = open(path, RTLD_GLOBAL);
    auto const start = find<int (*)(int*, char***, int, int*)>(library, "MPI_Init_thread", path);
    auto const end = find<int (*)()>(library, "MPI_Finalize", path);
    int provided = 0;
    if (start(nullptr, nullptr, kTHREAD_MULTIPLE, &provided) != 0 || provided < kTHREAD_MULTIPLE) {
        throw std::runtime_error("[ERR_RUNTIME_LOAD] MPI of " + path + " does not start with support for threads");
    }
    end();
    return {};
}

} // namespace

template <> struct Reader<Library> {
    static Library read(Napi::Value const& value, std::string const& path) {
        static constexpr std::tuple kFIELDS{
            required("soname", &Library::soname),
            required("path", &Library::path),
            required("global", &Library::global),
        };
        Library library;
        readFields(requireObject(value, path), path, library, kFIELDS);
        return library;
    }
};

template <> struct Reader<std::vector<Library>> {
    static std::vector<Library> read(Napi::Value const& value, std::string const& path) {
        Napi::Array const items = requireArray(value, path);
        std::vector<Library> libraries;
        for (std::uint32_t i = 0; i < items.Length(); ++i) {
            libraries.push_back(readValue<Library>(items[i], path + "[" + std::to_string(i) + "]"));
        }
        return libraries;
    }
};

Napi::Value preload(Napi::CallbackInfo const& info) {
    static constexpr std::tuple kFIELDS{
        required("dependencies", &PreloadPlan::dependencies),
        required("runtime", &PreloadPlan::runtime),
        required("plugins", &PreloadPlan::plugins),
        required("version", &PreloadPlan::version),
    };
    PreloadPlan plan;
    readFields(requireObject(info[0], "plan"), "", plan, kFIELDS);
    return runOffThread(
        info.Env(), [plan = std::move(plan)] { return openAll(plan); },
        [](Napi::Env env, std::monostate) { return env.Undefined(); });
}

Napi::Value tryMpi(Napi::CallbackInfo const& info) {
    return runOffThread(
        info.Env(), [path = readValue<std::string>(info[0], "path")] { return startAndEndMpi(path); },
        [](Napi::Env env, std::monostate) { return env.Undefined(); });
}

} // namespace trtllm_node
