#!/usr/bin/env python3
"""Evaluates the delivered sample model with Hugging Face: the reference for `npm run eval:sample`.

    python scripts/hf-eval-sample.py [--json] [--dtype float32|bfloat16] [--write FILE.tsv.gz] [--words N]
                                     [--num-beams N [--length-penalty P]]

The BF16-rounded weights of models/g2p-en are loaded into transformers' T5 (eager attention) and every word of
test/fixtures/g2p-test.tsv.gz is decoded, greedily or with beams (the search ends when N hypotheses have). Figures are
percentages by the rule in scripts/python/scoring.py. --write stores `word TAB phonemes` of each word, in the order of
the test list: g2p-hf-greedy.tsv.gz is the greedy output, g2p-hf-beam4.tsv.gz that of --num-beams 4.
"""

import argparse
import json
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts/python"))

from checkpoint import DTYPES, read_checkpoint  # noqa: E402
from g2p_export import read_test_list, write_lines  # noqa: E402
from pronounce import pronounce  # noqa: E402
from scoring import score, single_reference  # noqa: E402


def main(options: argparse.Namespace) -> None:
    lexicon = dict(list(read_test_list(ROOT / "test/fixtures/g2p-test.tsv.gz").items())[: options.words])
    model = read_checkpoint(options.model).to(DTYPES[options.dtype])
    outputs = pronounce(model, list(lexicon), options.batch_size, options.num_beams, options.length_penalty)
    references = list(lexicon.values())
    figures = score(outputs, references) | {"singleReference": score(outputs, single_reference(references))}
    if options.write:
        rows = (f"{word}\t{' '.join(row)}" for word, row in zip(lexicon, outputs, strict=True))
        write_lines(options.write, rows)
    print(json.dumps(rounded(figures)) if options.json else table(figures))


def rounded(figures: dict) -> dict:
    return {key: rounded(value) if isinstance(value, dict) else round(value, 3) for key, value in figures.items()}


def table(figures: dict) -> str:
    single = figures["singleReference"]
    rows = [("PER", "per"), ("WER", "wer"), ("PER with stress", "perStressed"), ("WER with stress", "werStressed")]
    head = f"{figures['words']} words          any variant  first variant"
    return "\n".join([head, *(f"{label:<22}{figures[key]:>10.2f} %{single[key]:>12.2f} %" for label, key in rows)])


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "models/g2p-en")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32", help="type of the computation")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--num-beams", type=int, default=1)
    parser.add_argument("--length-penalty", type=float, default=0.0)
    parser.add_argument("--words", type=int, help="only the first N words")
    parser.add_argument("--batch-size", type=int, default=256)
    return parser.parse_args()


if __name__ == "__main__":
    with torch.inference_mode():
        main(parse_options())
