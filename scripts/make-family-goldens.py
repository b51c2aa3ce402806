#!/usr/bin/env python3
"""Makes test/goldens/families/: tiny random models of every family as users have them, and what they compute.

    python scripts/make-family-goldens.py [--out test/goldens/families] [names...]

Each folder <name>/ holds hf/ (a Hugging Face folder, or for NMT fairseq's model.pt) and expected.safetensors with, per
case i:

    case{i}.input_ids            I32 [n]
    case{i}.decoder_input_ids    I32 [m]         the decoder's prompt
    case{i}.max_tokens           I32 [1]
    case{i}.encoder_output       F32 [n, H]
    case{i}.tokens               I32 [generated] greedy, without the end token
    case{i}.logits               F32 [steps, V]  of each greedy step, also of the one that chose the end token
    case{i}.beam_tokens          I32 [4, most]   beam search with 4 beams, best first, without end tokens, filled with -1
    case{i}.beam_scores          F32 [4]         cum_log_prob / (tokens, counting the end token) ** length_penalty
    case{i}.beam_cum_log_probs   F32 [4]         the end token's included
    case{i}.beam_length_penalty  F32 [1]
    case{i}.beam_early_stopping  I32 [1]         0 False, 1 True, 2 'never'
    case{i}.default_tokens       I32 [generated] of generate() with the folder's own generation_config.json and the
                                                 arguments in expected.json, without the end token; not for fairseq

expected.json names the end token and those arguments. Reference: Hugging Face on the saved folder, in float32, eager
attention, one thread, no cache, one case at a time; for fairseq a plain PyTorch model (families/nmt.py). A model's seed
is the first whose outputs are varied, end early in one case, have no near tie, and stay the same, beams too, when each
weight changes by a thousandth of a percent to a hundredth (`stable`).
"""

import argparse
import json
import shutil
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts/python"))

from families import cases, hugging_face, nmt  # noqa: E402
from families.specs import GOLDENS, Golden  # noqa: E402

PERTURBATIONS = (1e-5, 1e-4, 1e-4)


def build(golden: Golden, seed: int, folder: Path) -> cases.Reference:
    """Saves a random model and loads it again: the reference computes with what lies in the folder."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    if isinstance(golden.spec, nmt.Nmt):
        torch.manual_seed(seed)
        nmt.save(golden.spec, nmt.random_state(golden.spec), folder / "model.pt", modern=golden.modern)
        return nmt.load(golden.spec, folder / "model.pt")
    hugging_face.save(golden.spec, hugging_face.random_model(golden.spec, seed), folder)
    return hugging_face.load(golden.spec, folder)


def complete(golden: Golden, reference: cases.Reference, greedy: list[cases.Golden]) -> Iterator[cases.Golden]:
    """Adds beams, and what generate() gives with the folder's own settings."""
    for found in greedy:
        found.hypotheses = cases.beams(reference, found.case, golden.tokens.end)
        if golden.generate is not None:
            check_beams(golden, reference, found)
            found.default_tokens = hugging_face.generate(reference, found.case.input_ids, **golden.generate)
        yield found


def check_beams(golden: Golden, reference: cases.Reference, found: cases.Golden) -> None:
    """Our beam search is that of Hugging Face."""
    expected = hugging_face.beam_tokens(reference, found.case, golden.tokens.end)
    ours = [one.tokens for one in found.hypotheses]
    if ours != expected:
        raise AssertionError(f"{golden.name}: beams differ from Hugging Face's:\n{ours}\n{expected}")


def outputs(goldens: list[cases.Golden]) -> list:
    return [(one.tokens, [beam.tokens for beam in one.hypotheses], one.default_tokens) for one in goldens]


def stable(golden: Golden, reference: cases.Reference, goldens: list[cases.Golden], seed: int) -> bool:
    module = nmt if isinstance(golden.spec, nmt.Nmt) else hugging_face
    for index, size in enumerate(PERTURBATIONS):
        moved = module.perturbed(reference, seed + index, size)
        greedy = [cases.greedy(moved, one.case, golden.tokens.end) for one in goldens]
        if outputs(list(complete(golden, moved, greedy))) != outputs(goldens):
            return False
    return True


def make(golden: Golden, folder: Path) -> str:
    """Writes the first acceptable model; returns a line about it."""
    for seed in count(1):
        reference = build(golden, seed, folder / "hf")
        found = [cases.greedy(reference, case, golden.tokens.end) for case in cases.make_cases(golden.tokens, seed)]
        if not cases.acceptable(found):
            continue
        found = list(complete(golden, reference, found))
        if not stable(golden, reference, found, seed):
            continue
        save_file(cases.to_tensors(found), folder / "expected.safetensors")
        expected = {"end_token_id": golden.tokens.end, "generate": golden.generate}
        (folder / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")
        return summary(golden, seed, found, folder)
    raise AssertionError("unreachable")


def summary(golden: Golden, seed: int, goldens: list[cases.Golden], folder: Path) -> str:
    """Per case its tokens, '.' if it ended by itself, and in brackets how many are distinct."""
    runs = " ".join(f"{len(one.tokens)}{'.' * one.ended}({len(set(one.tokens))})" for one in goldens)
    gap = min(one.smallest_gap for one in goldens)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{golden.name:<18} seed {seed:<4} {size / 1000:6.0f} kB  smallest gap {gap:.4f}  tokens(distinct): {runs}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "test/goldens/families")
    parser.add_argument("names", nargs="*", help="only these")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    disable_progress_bar()
    set_verbosity_error()
    for golden in GOLDENS:
        if not arguments.names or golden.name in arguments.names:
            print(make(golden, arguments.out / golden.name), flush=True)


if __name__ == "__main__":
    main()
