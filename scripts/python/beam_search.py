"""Beam search twice: a plain restatement of the documented algorithm, and Hugging Face's on the same table models."""

import math
import random
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel, StoppingCriteria, StoppingCriteriaList
from transformers.modeling_outputs import CausalLMOutput

INFINITY = float("inf")
END = 1

Table = list[list[float]]


@dataclass(frozen=True)
class Search:
    beams: int
    length_penalty: float
    early_stopping: int
    max_tokens: int
    diversity: float = 0.0
    stop_words: tuple[tuple[int, ...], ...] = ()
    prompt: tuple[int, ...] = (0,)

    def params(self) -> dict[str, Any]:
        return {
            "beamWidth": self.beams,
            "numReturnSequences": self.beams,
            "lengthPenalty": self.length_penalty,
            "earlyStopping": self.early_stopping,
            "maxNewTokens": self.max_tokens,
            "beamSearchDiversityRate": self.diversity,
            "stopWords": [list(word) for word in self.stop_words],
            "endId": END,
        }

    def is_stopped(self, tokens: list[int]) -> bool:
        return any(tuple(tokens[-len(word) :]) == word for word in self.stop_words)


@dataclass(frozen=True)
class Hypothesis:
    tokens: list[int]  # without the end token
    cumulative: float
    score: float
    reason: str


def hash_of(tokens: list[int]) -> int:
    value = 0
    for token in tokens:
        value = (value * 31 + token + 7) % 1000003
    return value


def log_probs(table: Table, tokens: list[int]) -> list[float]:
    row = table[hash_of(tokens) % len(table)]
    normalizer = math.log(sum(math.exp(value) for value in row))
    return [value - normalizer for value in row]


def beam_search(table: Table, search: Search) -> list[Hypothesis]:
    live = [(list(search.prompt), 0.0)]
    finished: list[Hypothesis] = []

    def score(cumulative: float, length: int) -> float:
        return cumulative / length**search.length_penalty

    for length in range(1, search.max_tokens + 1):
        options = [
            (cumulative + value + search.diversity * source, cumulative + value, tokens, token)
            for source, (tokens, cumulative) in enumerate(live)
            for token, value in enumerate(log_probs(table, tokens))
            if value > -INFINITY
        ]
        options.sort(key=lambda option: -option[0])
        live = []
        for place, (_, cumulative, tokens, token) in enumerate(options[: 2 * search.beams]):
            if len(live) == search.beams:
                break
            longer = [*tokens, token]
            if token != END and not search.is_stopped(longer):
                live.append((longer, cumulative))
            elif place < search.beams:
                ended = (tokens, "end") if token == END else (longer, "stop")
                finished.append(Hypothesis(ended[0], cumulative, score(cumulative, length), ended[1]))
                finished = sorted(finished, key=lambda one: -one.score)[: search.beams]
        if not live:
            return finished
        if len(finished) == search.beams:
            if search.early_stopping == 1:
                return finished
            longest = search.max_tokens if search.early_stopping == 2 and search.length_penalty > 0 else length
            if finished[-1].score >= score(max(cumulative for _, cumulative in live), longest):
                return finished
    finished += [Hypothesis(tokens, total, score(total, search.max_tokens), "length") for tokens, total in live]
    return sorted(finished, key=lambda one: -one.score)[: search.beams]


class TableConfig(PretrainedConfig):
    model_type = "table"


class TableModel(PreTrainedModel, GenerationMixin):
    config_class = TableConfig

    def __init__(self, table: Table):
        super().__init__(TableConfig(vocab_size=len(table[0])))
        self.table = nn.Parameter(torch.tensor(table))

    def forward(self, input_ids: torch.Tensor, **_: Any) -> CausalLMOutput:
        rows = [hash_of(tokens) % len(self.table) for tokens in input_ids.tolist()]
        return CausalLMOutput(logits=self.table[rows][:, None])

    def prepare_inputs_for_generation(self, input_ids: torch.Tensor, **_: Any) -> dict[str, torch.Tensor]:
        return {"input_ids": input_ids}


class Stop(StoppingCriteria):
    def __init__(self, search: Search):
        self.search = search

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        return torch.tensor([self.search.is_stopped(tokens) for tokens in input_ids.tolist()])


@torch.no_grad()
def hf_search(table: Table, search: Search) -> list[Hypothesis]:
    output = TableModel(table).generate(
        torch.tensor([search.prompt]),
        num_beams=search.beams,
        num_return_sequences=search.beams,
        length_penalty=search.length_penalty,
        early_stopping=(False, True, "never")[search.early_stopping],
        max_new_tokens=search.max_tokens,
        eos_token_id=END,
        pad_token_id=END,
        stopping_criteria=StoppingCriteriaList([Stop(search)]),
        do_sample=False,
        use_cache=False,
        return_dict_in_generate=True,
        output_scores=True,
    )
    result = []
    for tokens, score in zip(output.sequences.tolist(), output.sequences_scores.tolist(), strict=True):
        ended = END in tokens
        tokens = tokens[: tokens.index(END)] if ended else tokens
        reason = "stop" if search.is_stopped(tokens) else "end" if ended else "length"
        length = len(tokens) - len(search.prompt) + (reason == "end")
        result.append(Hypothesis(tokens, score * length**search.length_penalty, score, reason))
    return result


def random_table(generator: random.Random, vocab_size: int, end_bonus: float, allowed: float = 1.0) -> Table:
    """`allowed`: share of the values that are not minus infinity; one in each row is."""
    table = [[round(generator.gauss(0, 1.5), 2) for _ in range(vocab_size)] for _ in range(53)]
    for row in table:
        row[END] = round(row[END] + end_bonus, 2)
        kept = generator.randrange(2, vocab_size)
        row[:] = [v if i == kept or generator.random() < allowed else -INFINITY for i, v in enumerate(row)]
    return table


def is_done_at_limit(search: Search, result: list[Hypothesis]) -> bool:
    """Early stopping in the very step that reaches the limit: Hugging Face then lets the live beams compete too."""
    lengths = [len(one.tokens) - len(search.prompt) + (one.reason == "end") for one in result]
    is_done = len(result) == search.beams and all(one.reason != "length" for one in result)
    return search.early_stopping == 1 and is_done and max(lengths) == search.max_tokens


def check_equal(ours: list[Hypothesis], theirs: list[Hypothesis], search: Search) -> None:
    for one, other in zip(ours, theirs, strict=True):
        same = one.tokens == other.tokens and one.reason == other.reason and abs(one.score - other.score) < 1e-4
        assert same, f"{search}:\n{ours}\n{theirs}"
