#!/usr/bin/env python3
"""Makes generation.json and constraints.json in test/goldens/<model>/: decoding settings, and what generate() returns.

    python scripts/make-generation-goldens.py [--model NAME ...]

Each file is a list of cases: the request under the Executor's names (scripts/python/generation.py: Case) and

    beams   [{tokens, logProbs, score, finish}], best first; tokens without the end id, a stop word stays
            score: sum of all log-probabilities / (generated tokens, end id included) ^ lengthPenalty

generation.json holds every setting of Hugging Face's generate() that the Executor has, greedy and with beams.
constraints.json holds forced first and last tokens and allowed sequences, which masked logits express.

Reference: Hugging Face in float32 on the stored weights, eager attention, one thread, no cache, one case at a time.
Inputs and end ids are drawn until a case is `settled` and, if enough draws allow, its setting changes the result. The
model's own end id is rare; so the end id of most cases is a token that the model likes.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import torch
import transformers
from transformers import T5ForConditionalGeneration

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts/python"))

from checkpoint import read_checkpoint  # noqa: E402
from executor_beams import beam_search  # noqa: E402
from generation import Case, Hypothesis, Tokens, generate, noise  # noqa: E402

MODELS = ["t5-v10", "t5-v11", "ul2"]
MODEL_END = 1
MAX_TOKENS = {1: 12, 2: 24, 9: 48, 40: 33}  # by the length of the input
PROMPT = [0, 17, 42, 5]
LONG_PROMPT = [0, *range(20, 56)]  # more than one 32-token cache block
NOISE = 5e-5  # of a row's largest logit
ATTEMPTS = 25

Overrides = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """`make` gets the model's greedy output for the input and the prompt, to pick words from."""

    name: str
    make: Callable[[Tokens], Overrides]
    prompt: tuple[int, ...] = (0,)
    finish: str = ""  # wanted of the best sequence; "": END_ID or LENGTH in turn; "any": the first settled case will do


def fixed(name: str, prompt: tuple[int, ...] = (0,), finish: str = "", **overrides: Any) -> Setting:
    return Setting(name, lambda _: overrides, prompt, finish)


def processor_settings() -> list[Setting]:
    """Each processor alone and several together."""
    prompt, long_prompt = tuple(PROMPT), tuple(LONG_PROMPT)
    return [
        fixed("repetitionPenalty 0.7", repetitionPenalty=0.7),
        fixed("repetitionPenalty 1.3", repetitionPenalty=1.3),
        fixed("repetitionPenalty 2", repetitionPenalty=2.0),
        fixed("noRepeatNgramSize 1", noRepeatNgramSize=1),
        fixed("noRepeatNgramSize 2", noRepeatNgramSize=2),
        fixed("noRepeatNgramSize 3", noRepeatNgramSize=3),
        Setting("badWords of one token", lambda out: {"badWords": ([out[1]], [out[3]])}),
        Setting("badWords of two tokens", lambda out: {"badWords": (out[1:3], out[4:6])}),
        Setting("badWords of one to three tokens", lambda out: {"badWords": (out[0:3], out[2:5], [out[5]])}),
        Setting("badWords from the prompt on", lambda out: {"badWords": ([5, out[0]], [42, 5, out[1]])}, prompt),
        fixed("minTokens 7", minTokens=7, finish="END_ID"),
        Setting("embeddingBias", lambda out: {"embeddingBias": ((out[1], -4.0), (out[3], 2.5), (7, 3.0))}),
        fixed("temperature 0.6", temperature=0.6),
        Setting("stopWords", lambda out: {"stopWords": ([out[7]], out[4:6])}, finish="STOP_WORDS"),
        Setting("stopWords from the prompt on", lambda out: {"stopWords": ([5, out[0]],)}, prompt, "STOP_WORDS"),
        fixed("prompt", prompt),
        fixed("long prompt, noRepeatNgramSize 2", long_prompt, noRepeatNgramSize=2),
        fixed("prompt, repetitionPenalty 1.5", prompt, repetitionPenalty=1.5),
        Setting(
            "all bans",
            lambda out: {"badWords": (out[0:2], [out[2]]), "noRepeatNgramSize": 2, "minTokens": 9},
            prompt,
            "END_ID",
        ),
        Setting(
            "all processors",
            lambda out: {
                "embeddingBias": ((out[0], -2.0), (out[2], 1.5)),
                "temperature": 1.4,
                "repetitionPenalty": 1.2,
                "minTokens": 5,
                "noRepeatNgramSize": 3,
                "badWords": (out[1:3],),
                "stopWords": ([out[5], out[6]], [out[4]]),
            },
            prompt,
            "STOP_WORDS",
        ),
    ]


def generation_settings() -> list[Setting]:
    return [fixed("greedy"), *processor_settings(), *beam_settings(), *combined_settings()]


def beam_settings() -> list[Setting]:
    sizes = [(2, 0), (3, 0), (4, 1), (5, 2), (6, 3), (8, 8), (16, 4), (64, 3)]
    widths = [fixed(f"beams {width}", beamWidth=width, numReturnSequences=returned) for width, returned in sizes]
    full = [replace(setting, name=setting.name + " to the limit", finish="LENGTH") for setting in widths[-2:]]
    penalties = [(penalty, stopping) for penalty in (0.0, 0.6, 1.0, 2.0) for stopping in (1, 0, 2)][1:]
    scored = [
        fixed(
            f"lengthPenalty {penalty}, earlyStopping {stopping}",
            beamWidth=2 + index % 5,
            numReturnSequences=2,
            lengthPenalty=penalty,
            earlyStopping=stopping,
        )
        for index, (penalty, stopping) in enumerate(penalties)
    ]
    return [*widths, *full, *scored, *map(with_beams, processor_settings(), range(99))]


def with_beams(setting: Setting, index: int) -> Setting:
    beams = {"beamWidth": 2 + index % 3, "numReturnSequences": 2, "lengthPenalty": (0.0, 1.0)[index % 2]}
    return replace(setting, name="beams, " + setting.name, make=lambda out: beams | setting.make(out))


def combined_settings() -> list[Setting]:
    prompts = [(0,), (0,), tuple(PROMPT)]
    return [Setting(f"combined {n}", partial(combined, Random(n)), prompts[n % 3], "any") for n in range(20)]


def combined(random: Random, out: Tokens) -> Overrides:
    """Three processors and some beams, drawn anew for each case."""
    processor = {
        "repetitionPenalty": random.choice([0.7, 1.2, 1.8]),
        "temperature": random.choice([0.7, 1.3]),
        "noRepeatNgramSize": random.choice([1, 2, 3]),
        "minTokens": random.choice([2, 4]),
        "badWords": (out[1:3], [out[3]]),
        "embeddingBias": ((out[0], -1.5), (out[2], 1.0)),
        "stopWords": (out[4:6], [out[7]]),
    }
    chosen = {name: processor[name] for name in random.sample(sorted(processor), 3)}
    width = random.choice([1, 2, 3, 4, 4, 5, 7])
    if width == 1:
        return chosen
    beams = {"beamWidth": width, "numReturnSequences": random.choice([0, 1, width])}
    scores = {"lengthPenalty": random.choice([0.0, 0.5, 1.5]), "earlyStopping": random.choice([0, 1, 2])}
    return chosen | beams | scores


def constraint_settings() -> list[Setting]:
    """Greedy and with beams; the last one has fewer allowed sequences than beams."""
    few = [[9, 12], [9, 12, 30], [44]]
    many = [[first, second, *tail] for first in (8, 21, 34) for second in (5, 9, 60) for tail in ([], [8, 9])]
    kinds: list[Overrides] = [
        {"forcedFirst": 23},
        {"forcedLast": MODEL_END},
        {"forcedFirst": 23, "forcedLast": MODEL_END},
        {"allowedSequences": (*many, [77])},
        {"allowedSequences": tuple(few)},
    ]
    return [
        fixed(", ".join([f"beams {width}", *kind]), finish="any", beamWidth=width, **kind)
        for width in (1, 2, 4)
        for kind in kinds
        if width != 4 or "forcedFirst" not in kind or "forcedLast" in kind
    ]


class Maker:
    """Finds the cases of one model."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.model = read_checkpoint(ROOT / "test/goldens" / name)
        self.exact = read_checkpoint(ROOT / "test/goldens" / name).double()
        self.rejected: Counter[str] = Counter()

    def cases(self, settings: list[Setting], draw: "Draw") -> Iterator[tuple[Case, list[Hypothesis]]]:
        for index, setting in enumerate(settings):
            for turn in (0, 1):
                length = list(MAX_TOKENS)[(index + 2 * turn + index // 4) % 4]
                finish = setting.finish or ("LENGTH" if (index + turn) % 3 == 0 else "END_ID")
                found = self.find(setting, length, finish, draw)
                if found:
                    yield found
                else:
                    print(f"{self.name}: nothing for '{setting.name}', input length {length}", file=sys.stderr)

    def find(self, setting: Setting, length: int, finish: str, draw: "Draw") -> tuple[Case, list[Hypothesis]] | None:
        """The first settled case in which the setting matters, else the first settled one."""
        random = Random(f"{self.name} {setting.name} {length}")
        fallback = None
        for _ in range(ATTEMPTS):
            case = draw(self, setting, length, finish, random)
            beams = generate(self.model, case)
            if not beams or finish not in ("any", beams[0].finish) or not self.settled(case, beams):
                continue
            if finish == "any" or self.matters(case, beams):
                return case, beams
            fallback = fallback or (case, beams)
        return fallback

    def settled(self, case: Case, beams: list[Hypothesis]) -> bool:
        """Neither rounding nor noise changes the sequences, and the Executor's beam search means the same."""
        if any(sequences(run) != sequences(beams) for run in self.other_runs(case)):
            self.rejected["near tie"] += 1
            return False
        theirs = [[*beam.tokens, *[case.endId] * (beam.finish == "END_ID")] for beam in beams]
        if case.beamWidth > 1 and beam_search(self.model, case)[: len(beams)] != theirs:
            self.rejected["other meaning"] += 1
            return False
        return True

    def other_runs(self, case: Case) -> Iterator[list[Hypothesis]]:
        yield generate(self.exact, case)
        for seed in range(3):
            with noise(self.model, NOISE, seed):
                yield generate(self.model, case)

    def matters(self, case: Case, beams: list[Hypothesis]) -> bool:
        """The sequences are others without the setting: without earlyStopping, else processors, else beams."""
        if case.earlyStopping != 1:
            other = replace(case, earlyStopping=1)
        else:
            own = {key: getattr(case, key) for key in ("beamWidth", "numReturnSequences", "endId")}
            other = Case("", case.input, case.prompt, case.maxTokens, **own)
        if other == replace(case, name=""):
            other = replace(other, beamWidth=1, numReturnSequences=0)
        others = sequences(generate(self.model, other))
        return others != sequences(beams)[: len(others)]


Draw = Callable[[Maker, Setting, int, str, Random], Case]


def sequences(beams: list[Hypothesis]) -> list[tuple[Tokens, str]]:
    return [(beam.tokens, beam.finish) for beam in beams]


def draw_case(maker: Maker, setting: Setting, length: int, finish: str, random: Random) -> Case:
    base = draw_input(maker.model, setting, length, random)
    overrides = setting.make(generate(maker.model, base)[0].tokens)
    case = replace(base, name=f"{setting.name}, input of {length}", **overrides)
    if finish == "LENGTH":
        return replace(case, endId=random.choice([-1, MODEL_END]))
    if finish == "STOP_WORDS":
        return replace(case, endId=MODEL_END)
    endless = generate(maker.model, replace(case, minTokens=0, stopWords=()))
    liked = [token for beam in endless for token in beam.tokens[: case.minTokens or None]]
    return replace(case, endId=random.choice(liked))


def draw_constrained(maker: Maker, setting: Setting, length: int, _finish: str, random: Random) -> Case:
    base = draw_input(maker.model, setting, length, random)
    return replace(base, name=f"{setting.name}, input of {length}", endId=MODEL_END, **setting.make([]))


def draw_input(model: T5ForConditionalGeneration, setting: Setting, length: int, random: Random) -> Case:
    ids = [random.randrange(2, model.config.vocab_size) for _ in range(length - 1)]
    return Case("", [*ids, MODEL_END], list(setting.prompt), MAX_TOKENS[length])


def to_json(case: Case, beams: list[Hypothesis]) -> str:
    results = [
        {
            "tokens": beam.tokens,
            "logProbs": [round(value, 5) + 0.0 for value in beam.logProbs],
            "score": round(beam.score, 6) + 0.0,
            "finish": beam.finish,
        }
        for beam in beams
    ]
    return json.dumps(case.to_json() | {"beams": results}, separators=(",", ":"))


def write(maker: Maker, file: str, settings: list[Setting], draw: Draw) -> None:
    maker.rejected.clear()
    found = list(maker.cases(settings, draw))
    path = ROOT / "test/goldens" / maker.name / file
    path.write_text("[\n" + ",\n".join(to_json(*case) for case in found) + "\n]\n")
    print(summary(maker, path, found), flush=True)


def summary(maker: Maker, path: Path, found: list[tuple[Case, list[Hypothesis]]]) -> str:
    finishes = Counter(beam.finish for _, beams in found for beam in beams)
    mattering = sum(maker.matters(case, beams) for case, beams in found)
    size = path.stat().st_size / 1000
    counts = f"{len(found)} cases, {mattering} changed by their setting, {size:.0f} kB"
    return f"{path.relative_to(ROOT)}: {counts}, {dict(finishes)}, rejected {dict(maker.rejected)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="*", default=MODELS)
    names = parser.parse_args().model
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    for name in names:
        maker = Maker(name)
        write(maker, "generation.json", generation_settings(), draw_case)
        write(maker, "constraints.json", constraint_settings(), draw_constrained)


if __name__ == "__main__":
    main()
