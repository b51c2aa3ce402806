/// libnvinfer_plugin_tensorrt_llm.so: it registers nothing, once.
#include <cstring>

/// Returns false for the namespace of others, and for a second call: hosts have to call it once.
extern "C" bool initTrtLlmPlugins(void*, char const* libNamespace) {
    static bool called = false;
    bool const first = !called;
    called = true;
    return first && std::strcmp(libNamespace, "tensorrt_llm") == 0;
}
