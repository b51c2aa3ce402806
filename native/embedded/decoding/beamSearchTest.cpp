/// Which beams live on and which end, worked out by hand.
#include "decoding/beamSearchTestSupport.h"

namespace embedded {
namespace {

using texec::FinishReason;

TEST(BeamSearch, WantsTwiceAsManyCandidatesAsBeams) {
    auto const params = twoBeams();
    BeamSearch const search(params);
    EXPECT_EQ(search.numCandidates(100), 4);
    EXPECT_EQ(search.numCandidates(4), 4);
    EXPECT_EQ(search.numCandidates(3), 3);
}

TEST(BeamSearch, KeepsTheBestExtensionsOfAllBeams) {
    auto const params = twoBeams();
    Steps steps(params);
    EXPECT_EQ(steps.step({{1, -0.5F}, {2, -1}, {3, -2}, {4, -3}}), (Parents{0, 0}));
    EXPECT_EQ(steps.live(), (All{{kSTART, 1}, {kSTART, 2}}));
    // -0.5 - 1, -0.5 - 1.25 | -1 - 0.25, -1 - 3
    EXPECT_EQ(
        steps.step({{5, -1}, {6, -1.25F}, {7, -9}, {8, -9}, {5, -0.25F}, {6, -3}, {7, -9}, {8, -9}}), (Parents{1, 0}));
    EXPECT_EQ(steps.live(), (All{{kSTART, 2, 5}, {kSTART, 1, 5}}));
    EXPECT_EQ(steps.beams[0].cumLogProb, -1.25F);
    EXPECT_EQ(steps.beams[0].logProbs, (texec::VecLogProbs{-1, -0.25F}));
    EXPECT_EQ(steps.beams[0].finishReason, FinishReason::kNOT_FINISHED);
    // Both from one beam.
    EXPECT_EQ(
        steps.step({{1, -5}, {2, -6}, {3, -9}, {4, -9}, {1, -0.25F}, {2, -0.5F}, {3, -9}, {4, -9}}), (Parents{1, 1}));
    EXPECT_EQ(steps.live(), (All{{kSTART, 1, 5, 1}, {kSTART, 1, 5, 2}}));
    EXPECT_EQ(steps.beams[0].logProbs, (texec::VecLogProbs{-0.5F, -1, -0.25F}));
    EXPECT_EQ(steps.beams[1].logProbs, (texec::VecLogProbs{-0.5F, -1, -0.5F}));
    EXPECT_FALSE(steps.search.isDone());
}

TEST(BeamSearch, AmongEqualsTheEarlierBeamAndTheLowerTokenGoFirst) {
    auto const params = twoBeams();
    Steps steps(params);
    steps.step({{3, -1}, {5, -1}, {7, -1}, {8, -1}});
    EXPECT_EQ(steps.live(), (All{{kSTART, 3}, {kSTART, 5}}));
    steps.step({{4, -2}, {6, -3}, {7, -9}, {8, -9}, {1, -2}, {2, -3}, {7, -9}, {8, -9}});
    EXPECT_EQ(steps.live(), (All{{kSTART, 3, 4}, {kSTART, 5, 1}}));
}

TEST(BeamSearch, TheEndIdFinishesAHypothesis) {
    auto const params = twoBeams();
    Steps steps(params);
    steps.step({{1, -0.5F}, {kEND, -1}, {2, -2}, {3, -3}});
    EXPECT_EQ(steps.live(), (All{{kSTART, 1}, {kSTART, 2}}));
    EXPECT_FALSE(steps.search.isDone());
    steps.step({{kEND, -0.25F}, {1, -1}, {2, -9}, {3, -9}, {1, -1}, {2, -9}, {3, -9}, {4, -9}});
    EXPECT_TRUE(steps.search.isDone()) << "earlyStopping is 1";
    auto const best = steps.search.best(steps.beams, FinishReason::kLENGTH);
    ASSERT_EQ(best.size(), 2U);
    EXPECT_EQ(best[0].tokens, (Tokens{kSTART, 1}));
    EXPECT_EQ(best[0].logProbs, (texec::VecLogProbs{-0.5F}));
    EXPECT_EQ(best[0].cumLogProb, -0.75F) << "with the end id's step";
    EXPECT_EQ(best[0].finishReason, FinishReason::kEND_ID);
    EXPECT_EQ(best[1].tokens, (Tokens{kSTART}));
    EXPECT_EQ(best[1].cumLogProb, -1);
    EXPECT_TRUE(best[1].logProbs.empty());
}

TEST(BeamSearch, AnEndIdBelowTheBestBeamWidthIsDropped) {
    auto const params = twoBeams();
    Steps steps(params);
    steps.step({{1, -0.1F}, {2, -0.2F}, {kEND, -0.3F}, {3, -3}});
    EXPECT_EQ(steps.live(), (All{{kSTART, 1}, {kSTART, 2}}));
    EXPECT_EQ(steps.best(), steps.live());
}

TEST(BeamSearch, WithoutAnEndIdNothingFinishes) {
    auto params = twoBeams();
    params.endId = -1;
    Steps steps(params);
    steps.step({{0, -0.1F}, {1, -0.2F}, {2, -0.3F}, {3, -3}});
    EXPECT_EQ(steps.live(), (All{{kSTART, 0}, {kSTART, 1}}));
}

TEST(BeamSearch, LengthPenaltyDividesByTheGeneratedTokensWithTheEndId) {
    auto params = twoBeams();
    params.numReturnSequences = 1;
    for (auto const& [penalty, expected] : {std::pair(0.0F, Tokens{kSTART}), {1.0F, Tokens{kSTART, 1}}}) {
        params.lengthPenalty = penalty;
        Steps steps(params);
        steps.step({{1, -0.5F}, {kEND, -1}, {2, -2}, {3, -3}});
        // -1 / 1 against -1.25 / 2
        steps.step({{kEND, -0.75F}, {1, -1}, {2, -9}, {3, -9}, {1, -1}, {2, -9}, {3, -9}, {4, -9}});
        EXPECT_EQ(steps.best(), All{expected}) << penalty;
    }
}

TEST(BeamSearch, EqualScoresKeepTheOrderOfTheStoreAndFinishedOnesGoFirst) {
    auto params = twoBeams();
    params.numReturnSequences = 4;
    Steps steps(params);
    steps.step({{kEND, -1}, {1, -1}, {2, -1}, {3, -2}});
    EXPECT_EQ(steps.best(), (All{{kSTART}, {kSTART, 1}, {kSTART, 2}}));
    steps.step({{kEND, 0}, {1, 0}, {2, -9}, {3, -9}, {1, 0}, {2, -9}, {3, -9}, {4, -9}});
    EXPECT_EQ(steps.best(), (All{{kSTART}, {kSTART, 1}}));
}

TEST(BeamSearch, DiversityRanksAndEntersNoScore) {
    auto params = twoBeams();
    params.beamSearchDiversityRate = 0.5F;
    Steps steps(params);
    steps.step({{1, -1}, {2, -1.25F}, {3, -9}, {4, -9}});
    // Beam 0: -1.5, -1.625. Beam 1: -1.75, with the bonus -1.25: first.
    EXPECT_EQ(steps.step({{1, -0.5F}, {2, -0.625F}, {3, -9}, {4, -9}, {1, -0.5F}, {2, -9}, {3, -9}, {4, -9}}),
        (Parents{1, 0}));
    EXPECT_EQ(steps.beams[0].cumLogProb, -1.75F);
    EXPECT_EQ(steps.beams[1].cumLogProb, -1.5F);
    // The end of beam 1 ranks second thanks to the bonus, and is stored with -1.5 - 0.75.
    steps.step({{1, -0.25F}, {2, -9}, {3, -9}, {4, -9}, {kEND, -0.75F}, {1, -9}, {2, -9}, {3, -9}});
    auto const best = steps.search.best(steps.beams, FinishReason::kLENGTH);
    EXPECT_EQ(best[0].cumLogProb, -2);
    EXPECT_EQ(best[1].tokens, (Tokens{kSTART, 1, 1}));
    EXPECT_EQ(best[1].cumLogProb, -2.25F);
    EXPECT_EQ(best[1].finishReason, FinishReason::kEND_ID);
}

TEST(BeamSearch, AStopWordFinishesItsBeamAndStaysInIt) {
    auto params = twoBeams();
    params.stopWords = {{1, 3}, {kSTART, 4}};
    params.lengthPenalty = 1;
    Steps steps(params);
    steps.step({{1, -0.5F}, {4, -1}, {2, -2}, {3, -3}}); // [kSTART, 4] begins in the prompt
    EXPECT_EQ(steps.live(), (All{{kSTART, 1}, {kSTART, 2}}));
    steps.step({{3, -0.25F}, {2, -1}, {1, -9}, {5, -9}, {3, -0.25F}, {2, -9}, {1, -9}, {5, -9}});
    EXPECT_TRUE(steps.search.isDone());
    auto const best = steps.search.best(steps.beams, FinishReason::kLENGTH);
    ASSERT_EQ(best.size(), 2U);
    EXPECT_EQ(best[0].tokens, (Tokens{kSTART, 1, 3})); // -0.75 / 2
    EXPECT_EQ(best[0].logProbs, (texec::VecLogProbs{-0.5F, -0.25F}));
    EXPECT_EQ(best[0].finishReason, FinishReason::kSTOP_WORDS);
    EXPECT_EQ(best[1].tokens, (Tokens{kSTART, 4}));
    EXPECT_EQ(best[1].cumLogProb, -1);
}

TEST(BeamSearch, AStopWordBelowTheBestBeamWidthIsDropped) {
    auto params = twoBeams();
    params.stopWords = {{3}};
    Steps steps(params);
    steps.step({{1, -0.5F}, {kEND, -1}, {3, -2}, {2, -3}});
    EXPECT_EQ(steps.live(), (All{{kSTART, 1}, {kSTART, 2}}));
    EXPECT_EQ(steps.best(), (All{{kSTART, 1}, {kSTART}}));
}

} // namespace
} // namespace embedded
