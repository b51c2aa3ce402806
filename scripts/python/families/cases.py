"""Runs the cases of one model on its reference, and judges whether they make a good golden."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from families.beam_search import BeamSettings, Hypothesis, beam_search

BEAMS = 4
SMALLEST_GAP = 1e-3  # between the two best logits, as a share of the row's largest: 10 times the tests' tolerance
EARLY_STOPPING = {False: 0, True: 1, "never": 2}
# (input length, tokens after the decoder's start, max tokens, length penalty, early stopping)
CASES = [
    (1, [], 3, 1.0, False),
    (7, [], 24, 1.0, False),
    (34, [], 40, 0.0, True),
    (12, [7, 23, 11], 12, 2.0, "never"),
]


class Reference(Protocol):
    def encode(self, input_ids: list[int]) -> Tensor: ...
    def next_logits(self, encoded: Tensor, decoder_ids: list[list[int]]) -> Tensor: ...


@dataclass(frozen=True)
class Tokens:
    """Ids of one model. `start`: the decoder's prompt. `vocab`: of the input."""

    vocab: int
    start: list[int]
    end: int
    input_end: list[int]  # what every input ends with


@dataclass(frozen=True)
class Case:
    input_ids: list[int]
    prompt: list[int]
    max_tokens: int
    beams: BeamSettings


@dataclass
class Golden:
    case: Case
    tokens: list[int]
    logits: Tensor  # [steps, V]
    encoder_output: Tensor  # [n, H]
    hypotheses: list[Hypothesis] = field(default_factory=list)
    default_tokens: list[int] | None = None

    @property
    def ended(self) -> bool:
        return len(self.logits) > len(self.tokens)

    @property
    def smallest_gap(self) -> float:
        best = self.logits.topk(2, dim=-1).values
        return float(((best[:, 0] - best[:, 1]) / self.logits.abs().amax(-1)).min())


def make_cases(tokens: Tokens, seed: int) -> Iterator[Case]:
    generator = torch.Generator().manual_seed(seed)
    for length, prompt, max_tokens, length_penalty, early_stopping in CASES:
        count = max(length - len(tokens.input_end), 0)
        ids = torch.randint(4, tokens.vocab, (count,), generator=generator).tolist()
        settings = BeamSettings(BEAMS, length_penalty, early_stopping)
        yield Case(([*ids, *tokens.input_end])[-length:], [*tokens.start, *prompt], max_tokens, settings)


@torch.no_grad()
def greedy(reference: Reference, case: Case, end: int) -> Golden:
    """Keeps the logits of every step, also of the one that chose the end token; computes the whole prefix anew."""
    encoded = reference.encode(case.input_ids)
    tokens: list[int] = []
    logits: list[Tensor] = []
    while len(tokens) < case.max_tokens and end not in tokens:
        logits.append(reference.next_logits(encoded, [case.prompt + tokens])[0])
        tokens.append(int(logits[-1].argmax()))
    return Golden(case, tokens[:-1] if tokens[-1] == end else tokens, torch.stack(logits), encoded)


@torch.no_grad()
def beams(reference: Reference, case: Case, end: int) -> list[Hypothesis]:
    encoded = reference.encode(case.input_ids)
    return beam_search(lambda ids: reference.next_logits(encoded, ids), case.prompt, end, case.max_tokens, case.beams)


def acceptable(goldens: list[Golden]) -> bool:
    """Greedy: one case that ends early, one long and varied, and no near ties."""
    ended = any(golden.ended and len(golden.tokens) > 1 for golden in goldens)
    long = [len(set(golden.tokens)) for golden in goldens if len(golden.tokens) >= 20]
    varied = bool(long) and max(long) >= 10 and min(long) >= 4
    return ended and varied and all(golden.smallest_gap >= SMALLEST_GAP for golden in goldens)


def to_tensors(goldens: list[Golden]) -> dict[str, Tensor]:
    """See make-family-goldens.py for the names."""
    tensors = {}
    for index, golden in enumerate(goldens):
        case, found = golden.case, golden.hypotheses
        integers = {
            "input_ids": case.input_ids,
            "decoder_input_ids": case.prompt,
            "max_tokens": [case.max_tokens],
            "tokens": golden.tokens,
            "beam_early_stopping": [EARLY_STOPPING[case.beams.early_stopping]],
            "beam_tokens": padded([one.tokens for one in found]),
        }
        if golden.default_tokens is not None:
            integers["default_tokens"] = golden.default_tokens
        floats = {
            "logits": golden.logits,
            "encoder_output": golden.encoder_output,
            "beam_length_penalty": torch.tensor([case.beams.length_penalty]),
            "beam_cum_log_probs": torch.tensor([one.cum_log_prob for one in found]),
            "beam_scores": torch.tensor([one.score for one in found]),
        }
        named = {key: torch.tensor(values, dtype=torch.int32) for key, values in integers.items()}
        named |= {key: tensor.float().contiguous() for key, tensor in floats.items()}
        tensors |= {f"case{index}.{key}": tensor for key, tensor in named.items()}
    return tensors


def padded(rows: list[list[int]]) -> list[list[int]]:
    longest = max(len(row) for row in rows)
    return [row + [-1] * (longest - len(row)) for row in rows]
