/// Whole beam searches on tables that stand for models: against Hugging Face, and rules that hold for every search.
#include "compute/largest.h"
#include "decoding/beamSearch.h"
#include "decoding/decodingTestSupport.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <numeric>
#include <random>

namespace embedded {
namespace {

using compute::Candidate;
using texec::FinishReason;
using Tokens = texec::VecTokens;

/// logits = table[hash(tokens) % rows], as in scripts/python/beam_search.py.
class TableModel {
public:
    explicit TableModel(std::vector<std::vector<float>> table)
        : mTable(std::move(table)) {
        for (auto& row : mTable) {
            double sum = 0;
            for (float const value : row) {
                sum += std::exp(static_cast<double>(value));
            }
            for (float& value : row) {
                value = static_cast<float>(static_cast<double>(value) - std::log(sum));
            }
        }
    }

    [[nodiscard]] SizeType32 vocabSize() const { return static_cast<SizeType32>(mTable[0].size()); }

    /// The best candidates of each beam in turn.
    [[nodiscard]] std::vector<Candidate> candidates(std::span<Beam const> beams, SizeType32 count) const {
        std::vector<Candidate> all;
        for (auto const& beam : beams) {
            auto const& row = mTable[hash(beam.tokens) % mTable.size()];
            std::vector<Candidate> candidates;
            for (float const value : row) {
                candidates.push_back({static_cast<TokenIdType>(candidates.size()), value});
            }
            std::ranges::sort(candidates, compute::ranksBefore);
            all.insert(all.end(), candidates.begin(), candidates.begin() + count);
        }
        return all;
    }

private:
    static std::uint64_t hash(Tokens const& tokens) {
        std::uint64_t value = 0;
        for (auto const token : tokens) {
            value = (value * 31 + static_cast<std::uint64_t>(token) + 7) % 1000003;
        }
        return value;
    }

    std::vector<std::vector<float>> mTable;
};

/// The engine's loop for one request; `afterStep` sees the search and the live beams.
template <class AfterStep>
std::vector<Beam> run(
    TableModel const& model, DecodingParams const& params, Tokens const& prompt, AfterStep afterStep) {
    BeamSearch search(params);
    std::vector<Beam> beams{{prompt, {}, 0, FinishReason::kNOT_FINISHED}};
    for (SizeType32 step = 0; step < params.maxNewTokens && !search.isDone(); ++step) {
        auto const old = beams;
        auto const parents = search.advance(model.candidates(beams, search.numCandidates(model.vocabSize())), beams);
        EXPECT_EQ(parents.size(), beams.size());
        EXPECT_LE(std::ssize(beams), params.beamWidth);
        for (std::size_t i = 0; i < beams.size(); ++i) {
            auto const& parent = old[static_cast<std::size_t>(parents[i])].tokens;
            EXPECT_EQ(Tokens(beams[i].tokens.begin(), beams[i].tokens.end() - 1), parent);
        }
        afterStep(search, beams);
    }
    return search.best(beams, FinishReason::kLENGTH);
}

FinishReason reasonOf(std::string const& name) {
    return name == "end" ? FinishReason::kEND_ID : name == "stop" ? FinishReason::kSTOP_WORDS : FinishReason::kLENGTH;
}

void expectBeam(Beam const& beam, nlohmann::json const& expected, DecodingParams const& params) {
    EXPECT_EQ(beam.tokens, expected.at("tokens").get<Tokens>());
    EXPECT_EQ(beam.finishReason, reasonOf(expected.at("reason")));
    EXPECT_NEAR(beam.cumLogProb, expected.at("cumulative").get<float>(), 1e-4);
    auto const numGenerated = std::ssize(beam.tokens) - params.promptLength;
    auto const length = numGenerated + (beam.finishReason == FinishReason::kEND_ID ? 1 : 0);
    float const score = beam.cumLogProb / std::pow(static_cast<float>(length), params.lengthPenalty);
    EXPECT_NEAR(score, expected.at("score").get<float>(), 1e-4);
    ASSERT_EQ(std::ssize(beam.logProbs), numGenerated);
    if (beam.finishReason != FinishReason::kEND_ID) {
        EXPECT_NEAR(std::accumulate(beam.logProbs.begin(), beam.logProbs.end(), 0.0F), beam.cumLogProb, 1e-4);
    }
}

TEST(BeamSearchModels, EqualHuggingFaceAndTheDocumentedAlgorithm) {
    auto const goldens = decodingGolden("beams.json");
    std::vector<TableModel> models;
    for (auto const& table : goldens.at("tables")) {
        std::vector<std::vector<float>> rows;
        std::ranges::transform(table, std::back_inserter(rows), floatsOf);
        models.emplace_back(rows);
    }
    std::size_t numFromHuggingFace = 0;
    for (auto const& golden : goldens.at("cases")) {
        SCOPED_TRACE(golden.dump());
        numFromHuggingFace += golden.at("source") == "Hugging Face" ? 1 : 0;
        auto const prompt = golden.at("prompt").get<Tokens>();
        auto const params = paramsOf(golden.at("params"), prompt.size());
        auto const beams = run(models.at(golden.at("table")), params, prompt, [](auto const&, auto const&) {});
        auto const& expected = golden.at("beams");
        ASSERT_EQ(beams.size(), expected.size());
        for (std::size_t i = 0; i < beams.size(); ++i) {
            expectBeam(beams[i], expected[i], params);
        }
    }
    EXPECT_GT(numFromHuggingFace, 150U);
}

TableModel randomModel(std::mt19937& random) {
    std::normal_distribution<float> values(0, 2);
    std::vector<std::vector<float>> table(97, std::vector<float>(3 + random() % 9));
    for (auto& row : table) {
        for (float& value : row) {
            value = random() % 8 == 0 ? kMINUS_INFINITY : std::round(values(random) * 4) / 4;
        }
        row[2] = std::isinf(row[2]) ? 0 : row[2];
    }
    return TableModel(table);
}

DecodingParams randomParams(std::mt19937& random) {
    DecodingParams params;
    params.beamWidth = static_cast<SizeType32>(2 + random() % 4);
    params.numReturnSequences = static_cast<SizeType32>(1 + random() % static_cast<unsigned>(params.beamWidth));
    params.promptLength = 2;
    params.maxNewTokens = static_cast<SizeType32>(1 + random() % 25);
    params.endId = static_cast<TokenIdType>(random() % 4) - 1;
    params.lengthPenalty = static_cast<float>(random() % 4) / 2;
    params.earlyStopping = static_cast<SizeType32>(random() % 3);
    params.beamSearchDiversityRate = random() % 2 == 0 ? 0 : 0.5F;
    params.stopWords = random() % 3 == 0 ? std::vector<Tokens>{{1, 1}, {2, 0, 1}} : std::vector<Tokens>();
    return params;
}

/// The beginning of the best sequence that is called stable only ever grows, and the result begins with it.
TEST(BeamSearchModels, TheStablePrefixNeverChanges) {
    std::mt19937 random(1);
    std::size_t numGrown = 0;
    for (int i = 0; i < 3000; ++i) {
        auto const model = randomModel(random);
        auto const params = randomParams(random);
        Tokens stable{0, 2};
        auto const best = run(model, params, {0, 2}, [&](BeamSearch const& search, std::vector<Beam> const& beams) {
            auto const now = search.best(beams, FinishReason::kLENGTH).at(0).tokens;
            auto const length = static_cast<std::size_t>(search.stableLength(beams));
            ASSERT_LE(length, now.size());
            ASSERT_GE(length, stable.size());
            ASSERT_TRUE(std::ranges::equal(stable, std::span(now).first(stable.size())));
            numGrown += length > stable.size() && !search.isDone() ? 1 : 0;
            ASSERT_TRUE(!search.isDone() || length == now.size());
            stable.assign(now.begin(), now.begin() + static_cast<std::ptrdiff_t>(length));
        });
        ASSERT_FALSE(best.empty());
        ASSERT_LE(std::ssize(best), params.numReturnSequences);
        ASSERT_GE(best[0].tokens.size(), stable.size());
        ASSERT_TRUE(std::ranges::equal(stable, std::span(best[0].tokens).first(stable.size()))) << "run " << i;
    }
    EXPECT_GT(numGrown, 1000U) << "before the end";
}

} // namespace
} // namespace embedded
