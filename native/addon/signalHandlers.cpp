#include "signalHandlers.h"

namespace trtllm_node {
namespace {

constexpr int kSIGNALS[]{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV};

} // namespace

CrashHandlersGuard::CrashHandlersGuard() {
    for (int const signal : kSIGNALS) {
        Saved saved{signal, {}};
        if (sigaction(signal, nullptr, &saved.action) == 0) {
            mSaved.push_back(saved);
        }
    }
}

CrashHandlersGuard::~CrashHandlersGuard() {
    for (Saved const& saved : mSaved) {
        sigaction(saved.signal, &saved.action, nullptr);
    }
}

} // namespace trtllm_node
