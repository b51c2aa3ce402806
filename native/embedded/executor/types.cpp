#include "tensorrt_llm/executor/types.h"

#include <ostream>

namespace tensorrt_llm::executor {

std::ostream& operator<<(std::ostream& os, CapacitySchedulerPolicy policy) {
    switch (policy) {
    case CapacitySchedulerPolicy::kMAX_UTILIZATION:
        return os << "MAX_UTILIZATION";
    case CapacitySchedulerPolicy::kGUARANTEED_NO_EVICT:
        return os << "GUARANTEED_NO_EVICT";
    case CapacitySchedulerPolicy::kSTATIC_BATCH:
        return os << "STATIC_BATCH";
    }
    return os << static_cast<int>(policy);
}

std::ostream& operator<<(std::ostream& os, ContextChunkingPolicy policy) {
    switch (policy) {
    case ContextChunkingPolicy::kFIRST_COME_FIRST_SERVED:
        return os << "FIRST_COME_FIRST_SERVED";
    case ContextChunkingPolicy::kEQUAL_PROGRESS:
        return os << "EQUAL_PROGRESS";
    }
    return os << static_cast<int>(policy);
}

} // namespace tensorrt_llm::executor
