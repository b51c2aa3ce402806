"""One decoding case, and what Hugging Face's generate() makes of it.

Settings carry the Executor's names. The logits processors are Hugging Face's own, in the Executor's order; generate()'s
arguments order them to the same effect, except that its beam search adds a bias after the normalisation.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from transformers import (
    ForcedBOSTokenLogitsProcessor,
    ForcedEOSTokenLogitsProcessor,
    LogitNormalization,
    LogitsProcessorList,
    MinNewTokensLengthLogitsProcessor,
    NoBadWordsLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    PrefixConstrainedLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    SequenceBiasLogitsProcessor,
    StoppingCriteria,
    StoppingCriteriaList,
    T5ForConditionalGeneration,
    TemperatureLogitsWarper,
)

Tokens = list[int]
EARLY_STOPPING: dict[int, bool | str] = {0: False, 1: True, 2: "never"}
EPSILON = 1e-6  # the Executor adds it to a temperature
NO_HYPOTHESIS = -1e8  # Hugging Face fills places for which it has no hypothesis with -1e9


@dataclass(frozen=True)
class Case:
    """A request; the fields after `maxTokens` are optional in JSON."""

    name: str
    input: Tokens
    prompt: Tokens
    maxTokens: int
    endId: int = -1
    beamWidth: int = 1
    numReturnSequences: int = 0  # 0: all beams
    lengthPenalty: float = 0.0
    earlyStopping: int = 1
    temperature: float = 1.0
    repetitionPenalty: float = 1.0
    noRepeatNgramSize: int = 0
    minTokens: int = 0
    badWords: tuple[Tokens, ...] = ()
    stopWords: tuple[Tokens, ...] = ()
    embeddingBias: tuple[tuple[int, float], ...] = ()  # token, bias
    forcedFirst: int = -1
    forcedLast: int = -1
    allowedSequences: tuple[Tokens, ...] = ()

    def to_json(self) -> dict[str, Any]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        defaults = {field.name: field.default for field in fields(self)}
        return {name: value for name, value in values.items() if value != defaults[name]}


@dataclass(frozen=True)
class Hypothesis:
    tokens: Tokens  # generated ones, without the end id
    logProbs: list[float]  # of these tokens
    score: float  # sum of all log-probabilities / (generated tokens, end id included) ^ lengthPenalty
    finish: str


class StopWords(StoppingCriteria):
    """Ends a sequence whose last tokens are one of the words."""

    def __init__(self, words: tuple[Tokens, ...]) -> None:
        self.words = words

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        return torch.tensor([ends_with(row, self.words) for row in input_ids.tolist()])


def ends_with(tokens: Tokens, words: tuple[Tokens, ...]) -> bool:
    return any(tokens[-len(word) :] == word for word in words)


def processors(case: Case) -> LogitsProcessorList:
    chain: list[Any] = list(constraints(case))
    if case.embeddingBias:
        chain.append(SequenceBiasLogitsProcessor({(token,): bias for token, bias in case.embeddingBias}))
    if chain and case.beamWidth > 1:
        chain.append(LogitNormalization())
    if case.temperature != 1:
        chain.append(TemperatureLogitsWarper(case.temperature + EPSILON))
    if case.repetitionPenalty != 1:
        chain.append(RepetitionPenaltyLogitsProcessor(case.repetitionPenalty))
    if case.minTokens:
        chain.append(MinNewTokensLengthLogitsProcessor(len(case.prompt), case.minTokens, case.endId))
    if case.noRepeatNgramSize:
        chain.append(NoRepeatNGramLogitsProcessor(case.noRepeatNgramSize))
    if case.badWords:
        chain.append(NoBadWordsLogitsProcessor(list(case.badWords), case.endId))
    return LogitsProcessorList(chain)


def constraints(case: Case) -> Iterator[Any]:
    if case.allowedSequences:
        yield PrefixConstrainedLogitsProcessor(lambda _, row: allowed_next(case, row.tolist()), 1)
    if case.forcedFirst >= 0:
        yield ForcedBOSTokenLogitsProcessor(case.forcedFirst)
    if case.forcedLast >= 0:
        yield ForcedEOSTokenLogitsProcessor(len(case.prompt) + case.maxTokens, case.forcedLast)


def allowed_next(case: Case, tokens: Tokens) -> Tokens:
    """What may follow: the next tokens of the allowed sequences that begin so, the end id after a whole one."""
    generated = tokens[len(case.prompt) :]
    size = len(generated)
    begun = [sequence for sequence in case.allowedSequences if sequence[:size] == generated]
    following = {sequence[size] if len(sequence) > size else case.endId for sequence in begun}
    return sorted(following) or [case.endId]


@torch.no_grad()
def generate(model: T5ForConditionalGeneration, case: Case) -> list[Hypothesis]:
    """The returned sequences, best first; those that Hugging Face only filled up with are left out."""
    ids = torch.tensor([case.input])
    output = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        decoder_input_ids=torch.tensor([case.prompt]),
        max_new_tokens=case.maxTokens,
        eos_token_id=case.endId if case.endId >= 0 else None,
        num_beams=case.beamWidth,
        num_return_sequences=case.numReturnSequences or case.beamWidth,
        logits_processor=processors(case),
        stopping_criteria=StoppingCriteriaList([StopWords(case.stopWords)] if case.stopWords else []),
        use_cache=False,
        return_dict_in_generate=True,
        output_scores=True,
        **beam_arguments(case),
    )
    return greedy_hypothesis(model, case, output) if case.beamWidth == 1 else beam_hypotheses(model, case, output)


def beam_arguments(case: Case) -> dict[str, Any]:
    if case.beamWidth == 1:
        return {}
    return {"length_penalty": case.lengthPenalty, "early_stopping": EARLY_STOPPING[case.earlyStopping]}


def greedy_hypothesis(model: T5ForConditionalGeneration, case: Case, output: Any) -> list[Hypothesis]:
    log_probs = model.compute_transition_scores(output.sequences, output.scores, normalize_logits=True)[0]
    tokens = output.sequences[0, len(case.prompt) :].tolist()
    return [hypothesis(case, tokens, log_probs.tolist(), float(log_probs.double().sum()))]


def beam_hypotheses(model: T5ForConditionalGeneration, case: Case, output: Any) -> list[Hypothesis]:
    sequences = output.sequences.clamp(min=0)  # without an end id, shorter ones are filled up with -1
    log_probs = model.compute_transition_scores(sequences, output.scores, output.beam_indices)
    lengths = (output.beam_indices >= 0).sum(-1).tolist()
    found = []
    for row, length in enumerate(lengths):
        score = float(output.sequences_scores[row])
        if score > NO_HYPOTHESIS:
            tokens = sequences[row, len(case.prompt) :][:length].tolist()
            found.append(hypothesis(case, tokens, log_probs[row, :length].tolist(), score))
    return found


def hypothesis(case: Case, tokens: Tokens, log_probs: list[float], score: float) -> Hypothesis:
    if tokens[-1] == case.endId:
        return Hypothesis(tokens[:-1], log_probs[:-1], score, "END_ID")
    stopped = ends_with(case.prompt + tokens, case.stopWords)
    return Hypothesis(tokens, log_probs, score, "STOP_WORDS" if stopped else "LENGTH")


@contextmanager
def noise(model: T5ForConditionalGeneration, size: float, seed: int) -> Iterator[None]:
    """Within, every logit is off by a random share `size` of its row's largest."""
    generator = torch.Generator().manual_seed(seed)

    def disturb(_module: Any, _inputs: Any, logits: Tensor) -> Tensor:
        wrong = torch.randn(logits.shape, generator=generator, dtype=logits.dtype)
        return logits + size * logits.abs().amax(-1, keepdim=True) * wrong

    hook = model.lm_head.register_forward_hook(disturb)
    try:
        yield
    finally:
        hook.remove()
