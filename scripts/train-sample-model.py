#!/usr/bin/env python3
"""Trains the sample model models/g2p-en (English spelling -> ARPAbet) on the CMU Pronouncing Dictionary.

    pip install -r scripts/requirements.txt
    python scripts/train-sample-model.py train  --state STATE --total-minutes 8 [--minutes 8] [--seed 1]
                                                [--teacher STATE ... --distill 0.7]
    python scripts/train-sample-model.py export --state STATE [--out models/g2p-en]

`train` runs for at most --minutes and saves to STATE (no file above 16 MiB); called again with the same STATE it
continues, until --total-minutes of training are done: the learning rate follows training time, not steps. With
--teacher it learns, beside the dictionary, the mean distribution of earlier trainings over the same train split.
Reports are one JSON line each: phoneme and word error rate on the dev split, greedy, without stress unless named so.
`export` writes the moving average in BF16 as a TensorRT-LLM checkpoint with tokenizer, licence notice and test list;
it needs no GPU. The test split is never read here except to write that list.
"""

import argparse
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import T5Config, T5ForConditionalGeneration

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts/python"))

from g2p_batches import build_table  # noqa: E402
from g2p_data import Lexicon, lexicon_split, shuffled  # noqa: E402
from g2p_export import export_sample  # noqa: E402
from g2p_model import create_model, fuse_kernels, parameter_count, sample_config  # noqa: E402
from pronounce import pronounce  # noqa: E402
from scoring import score  # noqa: E402
from trainer import Plan, Trainer, load_weights  # noqa: E402


def train(options: argparse.Namespace) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    plan = Plan(options.total_minutes, options.rate, distill=options.distill, seed=options.seed)
    torch.manual_seed(options.seed)
    model = create_model(sample_config(options.dropout, options.width, options.hidden)).to(device)
    teachers = [load_average(folder).to(device) for folder in options.teacher]
    for network in (model, *teachers):
        fuse_kernels(network)
    table = build_table(first_words(lexicon_split("train"), options.words), device)
    trainer = Trainer(model, table, plan, teachers)
    if (options.state / "progress.json").exists():
        trainer.restore(options.state)
    print(f"{parameter_count(model):,} parameters, {len(table.first):,} groups, {device}", flush=True)
    dev = first_words(lexicon_split("dev"), options.dev_words)
    trainer.run(options.minutes or options.total_minutes, lambda average: evaluate(average, dev), options.report_every)
    trainer.save(options.state)
    print("dev, all words:", evaluate(trainer.average, lexicon_split("dev")), flush=True)


def load_average(state: Path) -> T5ForConditionalGeneration:
    """The moving average of a saved training as a model for inference."""
    model = create_model(T5Config.from_json_file(state / "config.json"))
    load_weights(model, load_file(state / "average.safetensors"))
    return model.eval().requires_grad_(False)


def first_words(lexicon: Lexicon, count: int | None) -> Lexicon:
    """A fixed random sample of `count` words, or all."""
    return {word: lexicon[word] for word in shuffled(list(lexicon), seed=0)[:count]}


def evaluate(model: T5ForConditionalGeneration, lexicon: Lexicon) -> dict[str, float]:
    start = time.monotonic()
    with torch.autocast(model.shared.weight.device.type, dtype=torch.bfloat16):
        outputs = pronounce(model, list(lexicon), batch_size=4096)
    figures = score(outputs, list(lexicon.values()))
    figures["evalSeconds"] = time.monotonic() - start
    return {name: round(value, 3) for name, value in figures.items()}


def export(options: argparse.Namespace) -> None:
    export_sample(load_average(options.state), options.out, ROOT / "test/fixtures/g2p-test.tsv.gz")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    learn = commands.add_parser("train")
    learn.add_argument("--state", type=Path, required=True, help="folder of the saved training")
    learn.add_argument("--total-minutes", type=float, required=True, help="training time after which the rate is zero")
    learn.add_argument("--minutes", type=float, help="at most so long in this run (default: all)")
    learn.add_argument("--teacher", type=Path, nargs="*", default=[], help="folders of finished trainings")
    learn.add_argument("--distill", type=float, default=0.0, help="weight of the teachers' distribution in the loss")
    learn.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    learn.add_argument("--dropout", type=float, default=0.2)
    learn.add_argument("--width", type=int, default=256, help="d_model, a multiple of 64")
    learn.add_argument("--hidden", type=int, default=512, help="d_ff")
    learn.add_argument("--seed", type=int, default=1)
    learn.add_argument("--words", type=int, help="train on a sample of the words only (smoke test)")
    learn.add_argument("--dev-words", type=int, default=3000, help="dev words in the reports during training")
    learn.add_argument("--report-every", type=float, default=60, help="seconds between reports")
    deliver = commands.add_parser("export")
    deliver.add_argument("--state", type=Path, required=True)
    deliver.add_argument("--out", type=Path, default=ROOT / "models/g2p-en")
    return parser.parse_args()


if __name__ == "__main__":
    chosen = parse_options()
    {"train": train, "export": export}[chosen.command](chosen)
