#!/usr/bin/env python3
"""Trains and measures the adapters of the sample model, models/g2p-en/adapters/{ipa,spell} (PEFT, LoRA).

    pip install -r scripts/requirements.txt
    python scripts/train-sample-adapters.py train --adapter ipa --minutes 6 [--rate 2e-3] [--out FOLDER]
    python scripts/train-sample-adapters.py eval [--split test] [--items N]
    python scripts/train-sample-adapters.py fixture

`train` learns from the train split alone and saves the moving average in BF16. It reports, one JSON line each, errors
on dev items (greedy, percent). The learning rate follows training time, so another machine gives a similar adapter, not
the same bits. `eval` compares each adapter with the plain model and its task token. `fixture` writes
test/fixtures/adapters.json: test inputs and what the merged model writes, greedy, one at a time, in float32 on the CPU.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import T5ForConditionalGeneration

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts/python"))

from checkpoint import read_checkpoint  # noqa: E402
from g2p_adapters import TASKS, Items, Task, sample, score_texts  # noqa: E402
from g2p_batches import table_of  # noqa: E402
from g2p_data import arpabet_tokens, lexicon_split, to_ipa  # noqa: E402
from g2p_model import MAX_LENGTH, fuse_kernels  # noqa: E402
from g2p_tokenizer import build_tokenizer  # noqa: E402
from greedy import greedy_alone  # noqa: E402
from lora import merged, round_adapter, save_adapter  # noqa: E402
from pronounce import pronounce, write  # noqa: E402
from trainer import Plan, Trainer, load_weights  # noqa: E402

SAMPLE_NAME = "g2p-en"
FIXTURE_ITEMS = 200
SMALLEST_GAP = 1e-3  # as in make-goldens.py: inputs whose output hangs on a nearer tie stay out of the fixture
Figures = dict[str, float]


def train(options: argparse.Namespace) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    task = TASKS[options.adapter]
    torch.manual_seed(options.seed)
    network = read_checkpoint(options.model).to(device)
    fuse_kernels(network)
    model = get_peft_model(network, adapter_config(task, options))  # puts the adapter into `network`
    plan = Plan(options.minutes, options.rate, warmup_steps=200, decay=options.decay, seed=options.seed)
    examples = list(task.examples(sample(lexicon_split("train"), options.words)))
    trainer = Trainer(network, table_of(examples, len(examples), device), plan)
    print(f"{sum(weight.numel() for weight in trainer.learned):,} parameters, {device}", flush=True)
    dev = sample(task.items("dev"), options.dev_items)
    trainer.run(options.minutes, lambda average: dev_figures(average, dev), options.report_every)
    load_weights(network, dict(trainer.average.named_parameters()))
    round_adapter(model, torch.bfloat16)
    save_adapter(model, options.out or options.model / "adapters" / options.adapter, SAMPLE_NAME)


def adapter_config(task: Task, options: argparse.Namespace) -> LoraConfig:
    """lora_alpha is twice the rank: a scale of two, which loses nothing when it is folded into BF16 weights."""
    return LoraConfig(
        task_type="SEQ_2_SEQ_LM",
        r=options.rank or task.rank,
        lora_alpha=2 * (options.rank or task.rank),
        lora_dropout=options.dropout,
        target_modules=task.targets,
    )


def dev_figures(model: T5ForConditionalGeneration, items: Items) -> Figures:
    start = time.monotonic()
    with torch.autocast(model.shared.weight.device.type, dtype=torch.bfloat16):
        outputs = write(model, list(items), batch_size=4096)
    figures = score_texts(outputs, list(items.values()))
    return rounded({name: figures[name] for name in ("symbols", "words")} | {"evalSeconds": time.monotonic() - start})


def rounded(figures: Figures) -> Figures:
    return {name: round(value, 3) for name, value in figures.items()}


def evaluate(options: argparse.Namespace) -> None:
    for name in options.adapter:
        items = sample(TASKS[name].items(options.split), options.items)
        for label, outputs in candidates(name, items, options).items():
            figures = score_texts(outputs, list(items.values()))
            if name == "spell":
                figures |= pronounced_alike(plain_model(options), list(items), outputs, options.batch_size)
            print(json.dumps({"adapter": name, "by": label, **rounded(figures)}), flush=True)


def candidates(name: str, items: Items, options: argparse.Namespace) -> dict[str, list[str]]:
    """The outputs of the adapter, of the plain model with the task token, and the reference that the task allows."""
    base, adapted = plain_model(options), merged(plain_model(options), options.adapters / name)
    outputs = {
        "adapter": write(adapted, list(items), options.batch_size),
        "task token": write(base, [f"<{name}>{text}" for text in items], options.batch_size),
    }
    if name == "ipa":
        return outputs | {"phonemes and table": pronounced_ipa(base, list(items), options.batch_size)}
    return outputs | {"right answers": [words[0] for words in items.values()]}


def plain_model(options: argparse.Namespace) -> T5ForConditionalGeneration:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return read_checkpoint(options.model).to(device)


def pronounced_ipa(model: T5ForConditionalGeneration, words: Sequence[str], batch_size: int) -> list[str]:
    """The model's phonemes as IPA; empty where it wrote something else."""
    known = set(arpabet_tokens())
    rows = pronounce(model, words, batch_size)
    return [to_ipa(tuple(row)) if known.issuperset(row) else "" for row in rows]


def pronounced_alike(
    model: T5ForConditionalGeneration, ipa: Sequence[str], words: Sequence[str], batch_size: int
) -> Figures:
    """Percent of spellings that the plain model reads back as the given IPA."""
    back = pronounced_ipa(model, words, batch_size)
    figures = score_texts(back, [[text] for text in ipa])
    return {"readBack": 100 - figures["words"], "readBackUnstressed": 100 - figures["wordsUnstressed"]}


def write_fixture(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    rows = {name: fixture_rows(name, options) for name in TASKS}
    text = ",\n".join(f'  "{name}": [\n{lines(pairs)}\n  ]' for name, pairs in rows.items())
    options.out.write_text(f"{{\n{text}\n}}\n", encoding="utf-8")


def lines(pairs: list[tuple[str, str]]) -> str:
    return ",\n".join("    " + json.dumps(pair, ensure_ascii=False) for pair in pairs)


def fixture_rows(name: str, options: argparse.Namespace) -> list[tuple[str, str]]:
    """(input, output) of the first test items, in a fixed random order, that hang on no near tie."""
    model = merged(read_checkpoint(options.model), options.adapters / name)
    tokenizer, pairs = build_tokenizer(), []
    for text in sample(TASKS[name].items("test"), None):
        ids, gap = greedy_alone(model, tokenizer.encode(text).ids, MAX_LENGTH)
        if gap >= SMALLEST_GAP:
            pairs.append((text, tokenizer.decode(ids)))
        if len(pairs) == FIXTURE_ITEMS:
            break
    return pairs


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "models/g2p-en")
    commands = parser.add_subparsers(dest="command", required=True)
    learn = commands.add_parser("train")
    learn.add_argument("--adapter", choices=TASKS, required=True)
    learn.add_argument("--minutes", type=float, required=True, help="training time, reports included")
    learn.add_argument("--out", type=Path, help="default: adapters/NAME of the model")
    learn.add_argument("--rate", type=float, default=2e-3, help="peak learning rate")
    learn.add_argument("--rank", type=int, help="default: the task's own")
    learn.add_argument("--dropout", type=float, default=0.0, help="of the adapter's input; the model's own stays 0.1")
    learn.add_argument("--decay", type=float, default=0.9995, help="of the moving average")
    learn.add_argument("--seed", type=int, default=1)
    learn.add_argument("--words", type=int, help="train on a sample of the words only (smoke test)")
    learn.add_argument("--dev-items", type=int, default=3000)
    learn.add_argument("--report-every", type=float, default=60, help="seconds between reports")
    measure = commands.add_parser("eval")
    measure.add_argument("--adapter", choices=TASKS, nargs="*", default=list(TASKS))
    measure.add_argument("--split", choices=["dev", "test"], default="test")
    measure.add_argument("--items", type=int, help="a fixed random sample of so many (default: all)")
    measure.add_argument("--batch-size", type=int, default=256)
    deliver = commands.add_parser("fixture")
    deliver.add_argument("--out", type=Path, default=ROOT / "test/fixtures/adapters.json")
    for command in (measure, deliver):
        command.add_argument("--adapters", type=Path, default=ROOT / "models/g2p-en/adapters")
    return parser.parse_args()


if __name__ == "__main__":
    chosen = parse_options()
    if chosen.command == "train":
        train(chosen)
    else:
        with torch.inference_mode():
            {"eval": evaluate, "fixture": write_fixture}[chosen.command](chosen)
