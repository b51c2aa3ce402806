#include "executor/checks.h"
#include "tensorrt_llm/executor/configs.h"

#include <utility>

namespace tensorrt_llm::executor {

ParallelConfig::ParallelConfig(CommunicationType commType, CommunicationMode commMode,
    std::optional<std::vector<SizeType32>> deviceIds, std::optional<std::vector<SizeType32>> participantIds)
    : mCommType(commType)
    , mCommMode(commMode)
    , mParticipantIds(std::move(participantIds)) {
    if (deviceIds) {
        setDeviceIds(*deviceIds);
    }
}

void ParallelConfig::setDeviceIds(std::vector<SizeType32> const& deviceIds) {
    checks::checked("deviceIds length", deviceIds.size(), {.atLeast = 1});
    mDeviceIds = deviceIds;
}

} // namespace tensorrt_llm::executor
