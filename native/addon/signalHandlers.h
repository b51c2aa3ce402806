#pragma once

#include <csignal>
#include <vector>

namespace trtllm_node {

/// Keeps the handlers of the signals that a crash raises: what is changed while it lives is put back at its end. MPI's
/// start inside an Executor's constructor replaces some by ones that end every process of the job.
class CrashHandlersGuard {
public:
    CrashHandlersGuard();
    ~CrashHandlersGuard();
    CrashHandlersGuard(CrashHandlersGuard const&) = delete;
    CrashHandlersGuard& operator=(CrashHandlersGuard const&) = delete;

private:
    struct Saved {
        int signal;
        struct sigaction action;
    };

    std::vector<Saved> mSaved;
};

} // namespace trtllm_node
