/// The requests in flight for which the addon itself does something, by the client id that it gives them: that is what
/// both the logits post-processor and the responses of every child bring along.
#pragma once

#include "requestExtras.h"

#include <tensorrt_llm/executor/executor.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace trtllm_node {

/// Any thread may call anything.
class RequestRegistry {
public:
    using IdType = tensorrt_llm::executor::IdType;
    using Extras = std::shared_ptr<RequestExtras const>;

    /// A client id that no request of this engine has had.
    [[nodiscard]] IdType add(Extras extras);
    void remove(std::optional<IdType> clientId);
    /// Null if there is no such request.
    [[nodiscard]] Extras find(std::optional<IdType> clientId) const;

    /// The request's next response becomes this error.
    void fail(IdType clientId, std::string message);
    /// Empty if it has not failed.
    [[nodiscard]] std::string failure(std::optional<IdType> clientId) const;

private:
    struct Entry {
        Extras extras;
        std::string failure;
    };

    [[nodiscard]] Entry const* entry(std::optional<IdType> clientId) const;

    mutable std::mutex mMutex; ///< the last lock that anybody takes
    std::unordered_map<IdType, Entry> mEntries;
    IdType mLastId = 0;
};

} // namespace trtllm_node
