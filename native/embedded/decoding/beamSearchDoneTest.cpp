/// When a beam search is over and what it then gives, worked out by hand.
#include "decoding/beamSearchTestSupport.h"

namespace embedded {
namespace {

using texec::FinishReason;

TEST(BeamSearchDone, AFullStoreTakesWhatIsNotWorseThanItsWorst) {
    auto params = twoBeams();
    params.earlyStopping = 0;
    params.lengthPenalty = 1;
    Steps steps(params);
    steps.step({{1, -0.1F}, {kEND, -2}, {2, -2.5F}, {3, -9}});
    EXPECT_EQ(steps.best(), (All{{kSTART, 1}, {kSTART}}));
    // Beam 0 ends with -2.4 / 2 = -1.2: the store holds -2, -1.2.
    steps.step({{1, -0.1F}, {kEND, -2.3F}, {2, -4}, {3, -9}, {1, -9}, {2, -9}, {3, -9}, {4, -9}});
    EXPECT_FALSE(steps.search.isDone()) << "-0.2 / 2 is better than -2";
    // -4.2 / 3 = -1.4 replaces -2.
    steps.step({{1, -0.1F}, {kEND, -4}, {2, -5}, {3, -9}, {1, -9}, {2, -9}, {3, -9}, {4, -9}});
    EXPECT_FALSE(steps.search.isDone());
    // -6.3 / 4 = -1.575 is dropped, and the search goes on.
    steps.step({{1, -0.1F}, {kEND, -6}, {2, -9}, {3, -9}, {1, -99}, {2, -99}, {3, -99}, {4, -99}});
    EXPECT_FALSE(steps.search.isDone());
    // All live ones become bad: -30.4 / 5 is worse than -1.4.
    steps.step({{1, -30}, {2, -31}, {3, -99}, {4, -99}, {1, -99}, {2, -99}, {3, -99}, {4, -99}});
    EXPECT_TRUE(steps.search.isDone());
    EXPECT_EQ(steps.best(), (All{{kSTART, 1}, {kSTART, 1, 1}}));
}

TEST(BeamSearchDone, OfEqualScoresTheLaterReplacesTheWorst) {
    auto params = twoBeams();
    params.earlyStopping = 0;
    Steps steps(params);
    steps.step({{1, -0.25F}, {kEND, -1}, {2, -9}, {3, -9}});
    steps.step({{1, -0.25F}, {kEND, -1.75F}, {2, -9}, {3, -9}, {1, -9}, {2, -9}, {3, -9}, {4, -9}});
    EXPECT_EQ(steps.best(), (All{{kSTART, 1, 1}, {kSTART}})) << "stored: -1 and, of [kSTART, 1], -2";
    steps.step({{1, -4}, {kEND, -1.5F}, {2, -9}, {3, -9}, {1, -9}, {2, -9}, {3, -9}, {4, -9}});
    EXPECT_TRUE(steps.search.isDone());
    EXPECT_EQ(steps.best(), (All{{kSTART}, {kSTART, 1, 1}}));
}

/// After two steps the store holds -1.0 and -1.5 / 2, and the best live beam has -3 of two tokens.
TEST(BeamSearchDone, EarlyStoppingDecidesWhenNothingBetterIsToCome) {
    struct Case {
        SizeType32 earlyStopping;
        float lengthPenalty;
        SizeType32 maxNewTokens;
        bool isDone;
    };
    for (auto const& [earlyStopping, lengthPenalty, maxNewTokens, isDone] : {
             Case{1, 1, 10, true}, Case{0, 1, 10, true}, // -3 / 2 against -1
             Case{2, 1, 10, false},                      // -3 / 10 against -1
             Case{2, 1, 3, true},                        // -3 / 3 against -1
             Case{2, 0, 10, true},                       // -3 against -1.5
             Case{0, 2, 10, false},                      // -3 / 4 against -1
             Case{7, 1, 10, false},                      // as 2
         }) {
        auto params = twoBeams();
        params.earlyStopping = earlyStopping;
        params.lengthPenalty = lengthPenalty;
        params.maxNewTokens = maxNewTokens;
        Steps steps(params);
        steps.step({{kEND, -1}, {1, -1}, {2, -2}, {3, -3}});
        steps.step({{kEND, -0.5F}, {1, -2}, {2, -9}, {3, -9}, {1, -2}, {2, -9}, {3, -9}, {4, -9}});
        EXPECT_EQ(steps.search.isDone(), isDone) << earlyStopping << ' ' << lengthPenalty << ' ' << maxNewTokens;
        EXPECT_EQ(steps.live(), (All{{kSTART, 1, 1}, {kSTART, 2, 1}}));
    }
}

TEST(BeamSearchDone, FewerCandidatesThanBeams) {
    auto const params = twoBeams();
    Steps steps(params);
    EXPECT_EQ(steps.step({{1, -0.5F}, {kEND, kMINUS_INFINITY}, {2, kMINUS_INFINITY}}), (Parents{0}));
    EXPECT_EQ(steps.best(), (All{{kSTART, 1}}));
    EXPECT_EQ(steps.step({{1, -0.5F}, {2, -1}, {kEND, kMINUS_INFINITY}}), (Parents{0, 0}));
    EXPECT_EQ(steps.live(), (All{{kSTART, 1, 1}, {kSTART, 1, 2}}));
    // Both beams end; no other has a way to go on.
    steps.step({{kEND, -1}, {1, kMINUS_INFINITY}, {2, kMINUS_INFINITY}, //
        {kEND, -1}, {1, kMINUS_INFINITY}, {2, kMINUS_INFINITY}});
    EXPECT_TRUE(steps.search.isDone());
    EXPECT_TRUE(steps.beams.empty());
    EXPECT_EQ(steps.best(), (All{{kSTART, 1, 1}, {kSTART, 1, 2}}));
}

TEST(BeamSearchDone, BeamsWithNoWayToGoOnAreTheResultIfNothingEnded) {
    auto const params = twoBeams();
    Steps steps(params);
    steps.step({{1, -1}, {2, -2}, {3, -9}, {kEND, -9}});
    steps.step({{1, kMINUS_INFINITY}, {2, kMINUS_INFINITY}, {1, kMINUS_INFINITY}, {2, kMINUS_INFINITY}});
    EXPECT_TRUE(steps.search.isDone());
    auto const best = steps.search.best(steps.beams, FinishReason::kLENGTH);
    ASSERT_EQ(best.size(), 2U);
    EXPECT_EQ(best[0].tokens, (Tokens{kSTART, 1}));
    EXPECT_EQ(best[0].cumLogProb, -1);
    EXPECT_EQ(best[0].finishReason, FinishReason::kEND_ID);

    Steps atOnce(params);
    atOnce.step({{1, kMINUS_INFINITY}, {2, kMINUS_INFINITY}});
    EXPECT_EQ(atOnce.best(), (All{{kSTART}}));
}

TEST(BeamSearchDone, LiveBeamsCountUntilTheSearchIsDone) {
    auto params = twoBeams();
    params.numReturnSequences = 3;
    params.earlyStopping = 0;
    Steps steps(params);
    steps.step({{1, -0.5F}, {kEND, -1}, {2, -2}, {3, -3}});
    auto const best = steps.search.best(steps.beams, FinishReason::kCANCELLED);
    ASSERT_EQ(best.size(), 3U);
    EXPECT_EQ(best[0].finishReason, FinishReason::kCANCELLED);
    EXPECT_EQ(best[1].finishReason, FinishReason::kEND_ID);
    EXPECT_EQ(best[2].finishReason, FinishReason::kCANCELLED);
    params.numReturnSequences = 1;
    EXPECT_EQ(steps.best(), (All{{kSTART, 1}}));
}

TEST(BeamSearchDone, TheStablePrefixIsWhatAllAgreeIn) {
    auto const params = twoBeams();
    Steps steps(params);
    EXPECT_EQ(steps.search.stableLength(steps.beams), 1) << "the prompt";
    steps.step({{1, -0.5F}, {2, -2}, {3, -9}, {4, -9}});
    EXPECT_EQ(steps.search.stableLength(steps.beams), 1);
    steps.step({{5, -0.5F}, {6, -0.6F}, {3, -9}, {4, -9}, {1, -9}, {2, -9}, {3, -9}, {4, -9}});
    EXPECT_EQ(steps.search.stableLength(steps.beams), 2) << "kSTART, 1";
    // [kSTART, 1, 5] ends; what goes on begins with it too.
    steps.step({{kEND, -0.1F}, {7, -0.2F}, {8, -0.3F}, {4, -9}, {1, -9}, {2, -9}, {3, -9}, {4, -9}});
    EXPECT_EQ(steps.live(), (All{{kSTART, 1, 5, 7}, {kSTART, 1, 5, 8}}));
    EXPECT_EQ(steps.search.stableLength(steps.beams), 3);
    steps.step({{kEND, -0.1F}, {7, -0.2F}, {8, -0.3F}, {4, -9}, {1, -9}, {2, -9}, {3, -9}, {4, -9}});
    EXPECT_TRUE(steps.search.isDone());
    EXPECT_EQ(steps.search.stableLength(steps.beams), 3) << "all of the best one";
    EXPECT_EQ(steps.best()[0], (Tokens{kSTART, 1, 5}));
}

} // namespace
} // namespace embedded
