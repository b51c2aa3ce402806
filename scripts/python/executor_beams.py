"""Beam search as the Executor documents it, written out without caches or tricks.

It serves to find the cases in which Hugging Face and the Executor mean the same; no golden value comes from here.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import LogitsProcessorList, T5ForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

from generation import Case, Tokens, ends_with, processors


@dataclass(frozen=True)
class Beam:
    tokens: Tokens  # generated ones, the end id included
    cum: float

    def score(self, case: Case) -> float:
        return self.cum / len(self.tokens) ** case.lengthPenalty


class Model:
    """Processed log-probabilities of what follows decoder sequences, for one encoder input."""

    def __init__(self, model: T5ForConditionalGeneration, case: Case) -> None:
        self.model = model
        self.chain: LogitsProcessorList = processors(case)
        self.encoded = model.encoder(input_ids=torch.tensor([case.input]))[0]

    def log_probs(self, sequences: list[Tokens]) -> Tensor:
        ids = torch.tensor(sequences)
        encoded = BaseModelOutput(last_hidden_state=self.encoded.expand(len(ids), -1, -1))
        logits = self.model(encoder_outputs=encoded, decoder_input_ids=ids, use_cache=False).logits[:, -1].float()
        return self.chain(ids, logits.log_softmax(-1))


@torch.no_grad()
def beam_search(model: T5ForConditionalGeneration, case: Case) -> list[Tokens]:
    """Generated tokens of each returned beam, best first, end ids included."""
    rows = Model(model, case)
    live, finished = [Beam([], 0.0)], list[Beam]()
    for length in range(1, case.maxTokens + 1):
        candidates = extend(rows.log_probs([case.prompt + beam.tokens for beam in live]), live, 2 * case.beamWidth)
        ended = [beam for beam in candidates[: case.beamWidth] if ends(case, beam)]
        for beam in ended:
            store(case, finished, beam)
        live = [beam for beam in candidates if not ends(case, beam)][: case.beamWidth]
        if not live or done(case, finished, live[0].cum, length):
            return ranked(case, finished)
    return ranked(case, finished + live)


def extend(log_probs: Tensor, live: list[Beam], count: int) -> list[Beam]:
    cum = (log_probs + torch.tensor([beam.cum for beam in live])[:, None]).flatten()
    best = cum.topk(min(count, len(cum)))
    pairs = zip(best.values.tolist(), best.indices.tolist(), strict=True)
    vocab = log_probs.shape[1]
    return [Beam([*live[at // vocab].tokens, at % vocab], value) for value, at in pairs if value > -float("inf")]


def ends(case: Case, beam: Beam) -> bool:
    return beam.tokens[-1] == case.endId or ends_with(case.prompt + beam.tokens, case.stopWords)


def store(case: Case, finished: list[Beam], beam: Beam) -> None:
    """Keeps the beamWidth best; an equal one replaces the worst."""
    if len(finished) < case.beamWidth:
        finished.append(beam)
        return
    worst = min(range(len(finished)), key=lambda index: finished[index].score(case))
    if beam.score(case) >= finished[worst].score(case):
        finished[worst] = beam


def done(case: Case, finished: list[Beam], best_cum: float, length: int) -> bool:
    if len(finished) < case.beamWidth:
        return False
    if case.earlyStopping == 1:
        return True
    longest = case.maxTokens if case.earlyStopping != 0 and case.lengthPenalty > 0 else length
    return min(beam.score(case) for beam in finished) >= best_cum / longest**case.lengthPenalty


def ranked(case: Case, beams: list[Beam]) -> list[Tokens]:
    best = sorted(beams, key=lambda beam: -beam.score(case))
    return [beam.tokens for beam in best[: case.numReturnSequences or case.beamWidth]]
