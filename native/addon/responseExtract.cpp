#include "responseExtract.h"

#include "errors.h"
#include "tensors.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <span>
#include <stdexcept>

namespace tle = tensorrt_llm::executor;

namespace trtllm_node {
namespace {

double logSumExp(std::span<float const> row) {
    double const largest = *std::ranges::max_element(row);
    double sum = 0;
    for (float const logit : row) {
        sum += std::exp(logit - largest);
    }
    return largest + std::log(sum);
}

/// Row i of the context logits predicts the prompt's token i + 1, the last one what follows.
std::vector<float> score(tle::Tensor const& contextLogits, RequestExtras const& extras, std::size_t vocabSize) {
    tle::Tensor const logits = toHostFloats(contextLogits, "contextLogits");
    std::size_t const width = extent(logits, 1);
    auto wanted = extras.scoreTarget;
    if (extras.endId) {
        wanted.push_back(*extras.endId);
    }
    std::size_t const firstRow = extras.promptLength - extras.scoreTarget.size() - 1;
    if (width < vocabSize || extent(logits, 0) < firstRow + wanted.size()) {
        throw std::runtime_error("the runtime gave fewer contextLogits than the decoder prompt has");
    }
    std::vector<float> scores;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        auto const row = floatsOf(logits).subspan((firstRow + i) * width, vocabSize);
        scores.push_back(static_cast<float>(row[static_cast<std::size_t>(wanted[i])] - logSumExp(row)));
    }
    return scores;
}

NamedTensor whole(char const* name, tle::Tensor const& tensor) {
    NamedTensor named{name, 0, {}, toHostFloats(tensor, name)};
    for (auto const length : named.tensor.getShape()) {
        named.shape.push_back(static_cast<std::uint32_t>(length));
    }
    return named;
}

NamedTensor meanOfRows(char const* name, tle::Tensor const& tensor) {
    tle::Tensor const rows = toHostFloats(tensor, name);
    std::size_t const numRows = extent(rows, 0);
    std::size_t const width = extent(rows, 1);
    std::vector<double> sums(width, 0.0);
    for (std::size_t row = 0; row < numRows; ++row) {
        std::ranges::transform(floatsOf(rows).subspan(row * width, width), sums, sums.begin(),
            [](float value, double sum) { return sum + value; });
    }
    tle::Tensor mean = tle::Tensor::cpu(tle::DataType::kFP32, {static_cast<tle::Shape::DimType64>(width)});
    std::ranges::transform(sums, floatsOf(mean).begin(),
        [numRows](double sum) { return static_cast<float>(sum / static_cast<double>(numRows)); });
    return {name, 0, {static_cast<std::uint32_t>(width)}, mean};
}

/// Generation logits are [beams, maxTokens, vocabulary], or [tokens, 1, vocabulary] in a streaming response. Only the
/// rows of tokens that exist are taken.
void extractGenerationLogits(tle::Result const& result, std::vector<NamedTensor>& tensors) {
    constexpr char const* kNAME = "generationLogits";
    tle::Tensor const logits = toHostFloats(*result.generationLogits, kNAME);
    std::size_t const width = extent(logits, 2);
    std::size_t const rowsOfBeam = logits.getSize() / (width * result.outputTokenIds.size());
    for (std::size_t beam = 0; beam < result.outputTokenIds.size(); ++beam) {
        std::size_t const rows = std::min(result.outputTokenIds[beam].size(), rowsOfBeam);
        tensors.push_back({kNAME, static_cast<std::uint32_t>(beam),
            {static_cast<std::uint32_t>(rows), static_cast<std::uint32_t>(width)}, logits, beam * rowsOfBeam * width});
    }
}

/// Every response carries what belongs to the input; it is taken from the last one.
void extractInputTensors(
    tle::Result const& result, RequestExtras const* extras, std::size_t vocabSize, ResponseExtract& extract) {
    if (result.contextLogits && extras != nullptr && !extras->scoreTarget.empty()) {
        extract.scores = score(*result.contextLogits, *extras, vocabSize);
    } else if (result.contextLogits) {
        extract.tensors.push_back(whole("contextLogits", *result.contextLogits));
    }
    if (result.encoderOutput) {
        bool const wantsMean = extras != nullptr && extras->meanEncoderOutput;
        extract.tensors.push_back((wantsMean ? meanOfRows : whole)("encoderOutput", *result.encoderOutput));
    }
}

} // namespace

ResponseExtract extract(tle::Response const& response, RequestExtras const* extras, std::size_t vocabSize) {
    ResponseExtract extract;
    if (response.hasError()) {
        return extract;
    }
    tle::Result const& result = response.getResult();
    try {
        if (result.generationLogits && !result.outputTokenIds.empty()) {
            extractGenerationLogits(result, extract.tensors);
        }
        if (result.isSequenceFinal && result.sequenceIndex == 0) {
            extractInputTensors(result, extras, vocabSize, extract);
        }
    } catch (std::exception const& error) {
        extract.failure = toErrorMessage(error.what());
    }
    return extract;
}

} // namespace trtllm_node
