#!/usr/bin/env python3
"""Makes test/goldens-decoding/: what decoding must do to rows of logits and to beams.

    python scripts/make-decoding-goldens.py [--out test/goldens-decoding]

processors.json: rows before and after. Where Hugging Face has the step, the expected row is its LogitsProcessor's; the
steps that it lacks, and steps together, are computed by `process`, a plain restatement of the documented order.

beams.json: results of beam search on table models, where logits = table[hash(tokens) % rows]. Where the definitions
coincide they are Hugging Face's generate(); the rest (diversity, fewer candidates than beams, early stopping in the
last step) is python/beam_search.py's restatement, which is compared with Hugging Face wherever that can be asked.

Null stands for minus infinity. Parameters have the names of embedded::DecodingParams.
"""

import argparse
import json
import math
import random
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import torch
from transformers.generation import logits_process as hf

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts/python"))

from beam_search import (  # noqa: E402
    END,
    INFINITY,
    Hypothesis,
    Search,
    Table,
    beam_search,
    check_equal,
    hf_search,
    is_done_at_limit,
    random_table,
)


Params = dict[str, Any]


# ---- rows of logits --------------------------------------------------------------------------------------------------

VOCAB_SIZE = 24
PROMPT = [0, 7, 3, 7]
GENERATED = [5, 3, 7, 5, 9, 3, 7]
BIAS = [0.5 * ((i * 5) % 7 - 3) for i in range(VOCAB_SIZE)]
WORDS = [[4], [END], [3, 7, 11], [7, 12], [5, 13], [9, 3, 7, 14], [6, 7, 15]]

HF_STEPS: list[tuple[str, Params, hf.LogitsProcessor]] = [
    ("repetition", {"repetitionPenalty": 1.5}, hf.RepetitionPenaltyLogitsProcessor(1.5)),
    ("repetition reward", {"repetitionPenalty": 0.7}, hf.RepetitionPenaltyLogitsProcessor(0.7)),
    *((f"{n}-grams", {"noRepeatNgramSize": n}, hf.NoRepeatNGramLogitsProcessor(n)) for n in (1, 2, 3, 4, 20)),
    ("bad words", {"badWords": WORDS}, hf.NoBadWordsLogitsProcessor(WORDS)),
    *(
        (f"{n} tokens", {"endId": END, "minTokens": n}, hf.MinNewTokensLengthLogitsProcessor(len(PROMPT), n, END))
        for n in (7, 8)
    ),
    ("bias", {"embeddingBias": BIAS}, hf.SequenceBiasLogitsProcessor({(i,): bias for i, bias in enumerate(BIAS)})),
    *((f"temperature {t}", {"temperature": t}, hf.TemperatureLogitsWarper(t)) for t in (0.25, 0.7, 3.0)),
    *((f"min-p {p}", {"minP": p}, hf.MinPLogitsWarper(p)) for p in (0.05, 0.4, 1.0)),
]

CHOICES: Params = {
    "temperature": [0.5, 1.0, 1.7],
    "repetitionPenalty": [1.0, 1.3, 0.8],
    "presencePenalty": [0.0, 0.4, -0.3],
    "frequencyPenalty": [0.0, 0.25, -0.2],
    "promptIgnoreLength": [0, 2, 4, 9],
    "minTokens": [0, 7, 8],
    "noRepeatNgramSize": [0, 2, 3],
    "badWords": [[], WORDS],
    "embeddingBias": [[], BIAS],
    "minP": [0.0, 0.1, 0.3],
}


def random_row(generator: random.Random) -> list[float]:
    return [round(generator.gauss(0, 2), 3) for _ in range(VOCAB_SIZE)]


def hf_row(processor: hf.LogitsProcessor, tokens: list[int], row: list[float]) -> list[float]:
    return processor(torch.tensor([tokens]), torch.tensor([row]))[0].tolist()


def process(params: Params, prompt: list[int], generated: list[int], row: list[float]) -> list[float]:
    tokens = prompt + generated
    scale = 1 / (params["temperature"] + 1e-6) if params["temperature"] != 1 else 1
    row = [(value + bias) * scale for value, bias in zip(row, params["embeddingBias"] or [0] * len(row), strict=True)]
    counted = tokens[min(params["promptIgnoreLength"], len(prompt)) :]
    for token in set(tokens):
        factor = params["repetitionPenalty"]
        row[token] = row[token] * factor if row[token] < 0 else row[token] / factor
        if token in counted:
            row[token] -= params["presencePenalty"] + params["frequencyPenalty"] * counted.count(token)
    if len(generated) < params["minTokens"]:
        row[END] = -INFINITY
    size = params["noRepeatNgramSize"]
    if size:
        for end in range(size, len(tokens) + 1):
            *start, last = tokens[end - size : end]
            if tokens[len(tokens) - len(start) :] == start:
                row[last] = -INFINITY
    for *start, last in params["badWords"]:
        if not start or tokens[-len(start) :] == start:
            row[last] = -INFINITY
    return [-INFINITY if params["minP"] and value < max(row) + math.log(params["minP"]) else value for value in row]


def processor_cases() -> list[Params]:
    generator = random.Random(1)
    cases = []
    for name, params, processor in HF_STEPS:
        row = random_row(generator)
        expected = hf_row(processor, PROMPT + GENERATED, row)
        cases.append(row_case(name, params, PROMPT, GENERATED, row, expected))
    alone = [{name: value} for name in ("presencePenalty", "frequencyPenalty") for value in CHOICES[name][1:]]
    alone += [{**params, "promptIgnoreLength": 3} for params in alone]
    together = [{name: generator.choice(values) for name, values in CHOICES.items()} for _ in range(40)]
    for i, params in enumerate(alone + together):
        params = {"endId": END, **params}
        row = random_row(generator)
        generated = [generator.randrange(4, 10) for _ in range(generator.randrange(12))]
        full = {name: values[0] for name, values in CHOICES.items()} | {"temperature": 1.0} | params
        cases.append(row_case(f"mixed {i}", params, PROMPT, generated, row, process(full, PROMPT, generated, row)))
    return cases


def row_case(
    name: str, params: Params, prompt: list[int], generated: list[int], row: list[float], expected: list[float]
) -> Params:
    return {"name": name, "params": params, "prompt": prompt, "generated": generated, "row": row, "expected": expected}


# ---- beams -----------------------------------------------------------------------------------------------------------


def beam_cases(tables: list[Table]) -> list[Params]:
    words = ((4,), (5, 6), (3, 2, 7), (0, 5))
    grid = [Search(*values) for values in product((2, 3, 4), (0.0, 0.6, 1.0, 2.0), (0, 1, 2), (1, 5, 14))]
    grid += [replace(search, stop_words=words, prompt=(0, 9, 5)) for search in grid if search.max_tokens > 1]
    cases = []
    for i, search in enumerate(grid):
        expected = beam_search(tables[i % 2], search)
        if is_done_at_limit(search, expected):
            cases.append(beam_case("done at the limit", i % 2, search, expected))
        else:
            theirs = hf_search(tables[i % 2], search)
            check_equal(expected, theirs, search)
            cases.append(beam_case("Hugging Face", i % 2, search, theirs))
    for i, search in enumerate(grid[1::3]):
        diverse = replace(search, diversity=(0.3, 1.5)[i % 2])
        cases.append(beam_case("diverse", i % 2, diverse, beam_search(tables[i % 2], diverse)))
        cases.append(beam_case("few candidates", 2, diverse, beam_search(tables[2], diverse)))
    return cases


def beam_case(source: str, table: int, search: Search, expected: list[Hypothesis]) -> Params:
    beams = [vars(hypothesis) for hypothesis in expected]
    return {"source": source, "table": table, "prompt": search.prompt, "params": search.params(), "beams": beams}


# ---- files -----------------------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """With null for minus infinity, and floats as short as their precision allows."""
    if isinstance(value, float):
        return None if value == -INFINITY else float(f"{value:.7g}")
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def write(path: Path, content: Params) -> None:
    """One case, or one row of a table, a line."""
    sections = []
    for name, items in plain(content).items():
        lines = ",\n".join(json.dumps(item, separators=(",", ":")) for item in items)
        sections.append(f'"{name}":[\n{lines}\n]')
    path.write_text("{" + ",\n".join(sections) + "}\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=ROOT / "test/goldens-decoding")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    write(out / "processors.json", {"cases": processor_cases()})
    generator = random.Random(2)
    tables = [random_table(generator, 12, 0.0), random_table(generator, 12, 2.0), random_table(generator, 8, 1.0, 0.3)]
    write(out / "beams.json", {"tables": tables, "cases": beam_cases(tables)})


if __name__ == "__main__":
    main()
