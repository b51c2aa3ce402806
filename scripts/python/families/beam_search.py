"""Beam search as Hugging Face's `generate` does it, over any function that gives the logits of the next token."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

NextLogits = Callable[[list[list[int]]], Tensor]  # decoder ids, all of one length -> [sequences, V]


@dataclass(frozen=True)
class BeamSettings:
    """`early_stopping` True: stop when there are `beams` hypotheses; False and 'never': while one can still improve."""

    beams: int
    length_penalty: float
    early_stopping: bool | str


@dataclass(frozen=True)
class Hypothesis:
    tokens: list[int]  # without the end token
    cum_log_prob: float  # with the end token's
    score: float  # cum_log_prob / (tokens, counting the end token) ** length_penalty


@torch.no_grad()
def beam_search(
    next_logits: NextLogits, prompt: list[int], eos: int, max_tokens: int, settings: BeamSettings
) -> list[Hypothesis]:
    """The best hypotheses, best first. Candidates beyond the first `beams` of a step only continue, they never finish."""
    running: list[tuple[list[int], float]] = [([], 0.0)]
    finished: list[Hypothesis] = []
    for step in range(1, max_tokens + 1):
        candidates = best_continuations(next_logits, prompt, running, 2 * settings.beams)
        ended = [tokens[-1] == eos or step == max_tokens for tokens, _ in candidates]
        for (tokens, total), stops in list(zip(candidates, ended, strict=True))[: settings.beams]:
            if stops:
                finished.append(hypothesis(tokens, total, eos, step**settings.length_penalty))
        finished = sorted(finished, key=lambda one: -one.score)[: settings.beams]
        running = [one for one, stops in zip(candidates, ended, strict=True) if not stops][: settings.beams]
        if all(ended) or is_done(finished, running[0][1], step, max_tokens, settings):
            return finished
    raise AssertionError("unreachable")


def best_continuations(
    next_logits: NextLogits, prompt: list[int], running: list[tuple[list[int], float]], count: int
) -> list[tuple[list[int], float]]:
    log_probs = torch.log_softmax(next_logits([prompt + tokens for tokens, _ in running]).float(), dim=-1)
    totals = log_probs + torch.tensor([[total] for _, total in running])
    best = totals.flatten().topk(count)
    vocab = totals.shape[1]
    return [
        ([*running[index // vocab][0], index % vocab], total)
        for index, total in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]


def hypothesis(tokens: list[int], total: float, eos: int, norm: float) -> Hypothesis:
    return Hypothesis(tokens[:-1] if tokens[-1] == eos else tokens, total, total / norm)


def is_done(
    finished: list[Hypothesis], best_running: float, step: int, max_tokens: int, settings: BeamSettings
) -> bool:
    if len(finished) < settings.beams:
        return False
    if settings.early_stopping is True:
        return True
    longest = settings.early_stopping == "never" and settings.length_penalty > 0
    return best_running / (max_tokens if longest else step) ** settings.length_penalty <= finished[-1].score
