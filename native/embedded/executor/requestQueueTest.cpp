#include "executor/requestQueue.h"
#include "testing/testData.h"

#include <gtest/gtest.h>

namespace embedded {
namespace {

QueuedRequest queued(texec::IdType id, float priority = texec::Request::kDefaultPriority) {
    texec::Request request({0}, 1);
    request.setPriority(priority);
    return {id, request, {}};
}

std::vector<texec::IdType> idsOf(Fetched const& fetched) {
    std::vector<texec::IdType> ids;
    for (auto const& request : fetched.requests) {
        ids.push_back(request.id);
    }
    return ids;
}

TEST(RequestQueue, OrdersByPriorityThenArrival) {
    RequestQueue queue(std::nullopt);
    queue.push({queued(1), queued(2, 0.9F), queued(3), queued(4, 0.1F), queued(5, 0.9F)});
    EXPECT_EQ(queue.waitingIds(), (std::vector<texec::IdType>{2, 5, 1, 3, 4}));
    EXPECT_EQ(idsOf(queue.fetch(3, false)), (std::vector<texec::IdType>{2, 5, 1}));
    EXPECT_EQ(idsOf(queue.fetch(9, false)), (std::vector<texec::IdType>{3, 4}));
}

TEST(RequestQueue, TheOldestIsPassedOverABoundedNumberOfTimes) {
    RequestQueue queue(std::nullopt);
    queue.push({queued(1, 0.0F)});
    texec::IdType next = 2;
    for (int i = 0; i < RequestQueue::kMAX_PASSED_OVER; ++i) {
        queue.push({queued(next, 1.0F)});
        EXPECT_EQ(idsOf(queue.fetch(1, false)), std::vector<texec::IdType>{next++});
    }
    queue.push({queued(next, 1.0F)});
    EXPECT_EQ(idsOf(queue.fetch(1, false)), std::vector<texec::IdType>{1});
    EXPECT_EQ(idsOf(queue.fetch(1, false)), std::vector<texec::IdType>{next});
}

TEST(RequestQueue, CancelsQueuedRequestsAndPassesOnTheOthers) {
    RequestQueue queue(std::nullopt);
    queue.push({queued(1), queued(2)});
    queue.cancel(1);
    queue.cancel(7);
    auto const fetched = queue.fetch(0, true);
    ASSERT_EQ(fetched.cancelledQueued.size(), 1U);
    EXPECT_EQ(fetched.cancelledQueued[0].id, 1U);
    EXPECT_EQ(fetched.cancelledActive, std::vector<texec::IdType>{7});
    EXPECT_EQ(queue.size(), 1);
}

TEST(RequestQueue, RefusesAWholeBatchThatDoesNotFit) {
    RequestQueue queue(2);
    queue.push({queued(1)});
    auto const error = testing::errorOf([&] { queue.push({queued(2), queued(3)}); });
    EXPECT_TRUE(error.starts_with("[ERR_QUEUE_FULL]")) << error;
    EXPECT_EQ(queue.size(), 1);
    RequestQueue unlimited(0);
    unlimited.push({queued(1), queued(2)});
    EXPECT_EQ(unlimited.size(), 2);
}

TEST(RequestQueue, CloseDropsWhatWaitsAndRefusesMore) {
    RequestQueue queue(std::nullopt);
    queue.push({queued(1)});
    queue.close();
    EXPECT_TRUE(queue.fetch(9, true).closed);
    EXPECT_EQ(queue.size(), 0);
    EXPECT_EQ(testing::errorOf([&] { queue.push({queued(2)}); }), "[ERR_CLOSED] Shutdown called");
}

} // namespace
} // namespace embedded
