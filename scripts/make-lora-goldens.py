#!/usr/bin/env python3
"""Makes test/goldens/lora/: tiny random models with PEFT adapters, and what Hugging Face computes with each.

    python scripts/make-lora-goldens.py [--out test/goldens/lora]

Each folder <family>/ (t5, t5-gated, bart, mbart) holds

    model/             the base model as a Hugging Face folder, float32
    adapters/<name>/   PEFT folders: one per single module type (`encoder-self-q`, `decoder-cross-o`, `encoder-wi`, ..),
                       `all` (one rank), `patterns` (rank_pattern, alpha_pattern), `rslora`, `float16` (stored so),
                       `dora`, and for bart and mbart `bias` (biases trained too: bias = lora_only)
    goldens.safetensors, with <name> also `base`, the model without adapter:

    case{i}.input_ids              I32 [n]      ends with the end token
    case{i}.decoder_input_ids      I32 [m]      the decoder's prompt; of case 1 it is longer than the start token
    case{i}.max_tokens             I32 [1]
    <name>.case{i}.tokens          I32 [t]      greedy, without the end token
    <name>.case{i}.logits          F32 [s, V]   of each step, also of the one that chose the end token
    <name>.case1.prompt_logits     F32 [m, V]   of each position of the prompt: forced decoding
    <name>.case{i}.encoder_output  F32 [n, H]   absent where it is the base model's

Reference: PEFT on Hugging Face in float32, eager attention, one thread, no cache, one case at a time. Asserted for
every adapter: the model with the adapter merged into its weights computes the same. A family's seed is the first where
every adapter changes the logits, most change the tokens, and no output hangs on a near tie.
"""

import argparse
import shutil
import sys
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts/python"))

from lora import merged, round_adapter, save_adapter  # noqa: E402
from tiny_families import FAMILIES, VOCABULARY, Family, read_model, write_model  # noqa: E402

CASES = [(5, 1, 5), (9, 4, 3)]  # (input length with its end token, prompt length, max tokens)
SMALLEST_GAP = 1e-3  # between the two best logits, as a share of the row's largest
SMALLEST_EFFECT = 0.05  # of an adapter, as a share of the largest value
MERGE_TOLERANCE = 5e-5  # between adapter and merged weights, likewise
B_GAIN = 0.7
TOKENS_CHANGED = 0.5  # share of the adapters that must change what is written


@dataclass(frozen=True)
class Case:
    input_ids: list[int]
    prompt: list[int]
    max_tokens: int


@dataclass(frozen=True)
class Golden:
    tokens: list[int]
    logits: Tensor  # [steps, V]
    prompt_logits: Tensor  # [prompt, V]
    encoder_output: Tensor  # [input, H]

    @property
    def smallest_gap(self) -> float:
        best = self.logits.topk(2, dim=-1).values
        return float(((best[:, 0] - best[:, 1]) / self.logits.abs().amax(-1)).min())

    def distance(self, other: "Golden") -> float:
        """Largest difference of logits or encoder output, each as a share of its largest value, over the prompt."""
        pairs = [(self.prompt_logits, other.prompt_logits), (self.encoder_output, other.encoder_output)]
        return max(float((left - right).abs().max() / left.abs().max()) for left, right in pairs)


Goldens = dict[str, list[Golden]]  # adapter name -> its cases


def adapter_configs(family: Family) -> dict[str, LoraConfig]:
    """Name -> configuration, single modules first."""
    every = [*family.projections, *family.feed_forward]
    some = [family.projections[0], family.projections[2], family.feed_forward[-1]]
    configs = {name: lora(target_modules=pattern, r=2, lora_alpha=3) for name, pattern in single_modules(family)}
    configs |= {
        "all": lora(target_modules=every, r=3, lora_alpha=4),
        "patterns": patterns_config(family, every),
        "rslora": lora(target_modules=some, r=4, lora_alpha=3, use_rslora=True),
        "float16": lora(target_modules=some, r=2, lora_alpha=4),
        "dora": lora(target_modules=some, r=2, lora_alpha=3, use_dora=True),
    }
    if family.feed_forward[0] == "fc1":
        configs["bias"] = lora(target_modules=some, r=2, lora_alpha=3, bias="lora_only")
    return configs


def single_modules(family: Family) -> list[tuple[str, str]]:
    """(adapter name, pattern for the full names of its modules)."""
    blocks = [("encoder", "self", family.self_), ("decoder", "self", family.self_), ("decoder", "cross", family.cross)]
    attention = [
        (f"{component}-{kind}-{short(projection)}", rf"(model\.)?{component}\..*\.{block}\.{projection}")
        for component, kind, block in blocks
        for projection in family.projections
    ]
    dense = [
        (f"{component}-{module}", rf"(model\.)?{component}\..*\.{module}")
        for component in ("encoder", "decoder")
        for module in family.feed_forward
    ]
    return attention + dense


def short(projection: str) -> str:
    """q_proj -> q, out_proj -> o."""
    return projection[0]


def patterns_config(family: Family, every: list[str]) -> LoraConfig:
    """Other ranks and scales by name and by full name."""
    query, key, value, output = family.projections
    layer = "decoder.block.1.layer.0" if family.self_ == "SelfAttention" else "model.decoder.layers.0"
    return lora(
        target_modules=every,
        r=2,
        lora_alpha=3,
        rank_pattern={query: 1, family.feed_forward[0]: 5, f"{layer}.{family.self_}.{value}": 4},
        alpha_pattern={query: 2, key: 7, f"{family.cross}.{output}": 1},
    )


def lora(**fields: Any) -> LoraConfig:
    return LoraConfig(task_type="SEQ_2_SEQ_LM", **fields)


def write_adapter(base: PreTrainedModel, config: LoraConfig, folder: Path, name: str) -> None:
    model = get_peft_model(base, config)
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.data = random_weight(key, parameter)
    if name == "float16":
        round_adapter(model, torch.float16)
    save_adapter(model, folder / "adapters" / name, f"tiny-{folder.name}")


def random_weight(name: str, like: Tensor) -> Tensor:
    """A and B whose product is somewhat smaller than the base weights; DoRA's magnitudes and biases are moved."""
    noise = torch.randn(like.shape)
    if "lora_A" in name:
        return noise * like.shape[1] ** -0.5
    if "lora_B" in name:
        return B_GAIN * noise * like.shape[1] ** -0.5
    return like.detach() * (1 + 0.3 * noise)


def random_cases(family: Family, seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)

    def draw(length: int) -> list[int]:
        return torch.randint(3, VOCABULARY, (length,), generator=generator).tolist()

    return [Case([*draw(n - 1), family.end], [family.start, *draw(m - 1)], most) for n, m, most in CASES]


@torch.no_grad()
def run_case(model: PreTrainedModel | PeftModel, case: Case, end: int) -> Golden:
    """Greedy decoding; the whole prefix is computed anew in each step."""
    encoded = BaseModelOutput(last_hidden_state=model.get_encoder()(input_ids=torch.tensor([case.input_ids]))[0])
    tokens: list[int] = []
    logits = decode(model, encoded, case.prompt)
    steps = [logits[-1]]
    while steps[-1].argmax() != end and len(tokens) + 1 < case.max_tokens:
        tokens.append(int(steps[-1].argmax()))
        steps.append(decode(model, encoded, case.prompt + tokens)[-1])
    last = int(steps[-1].argmax())
    kept = tokens if last == end else [*tokens, last]
    return Golden(kept, torch.stack(steps), logits, encoded.last_hidden_state[0])


def decode(model: PreTrainedModel | PeftModel, encoded: BaseModelOutput, ids: list[int]) -> Tensor:
    """Logits [ids, V]."""
    return model(encoder_outputs=encoded, decoder_input_ids=torch.tensor([ids]), use_cache=False).logits[0]


def run_adapter(family: Family, folder: Path, name: str, cases: list[Case]) -> list[Golden]:
    """The adapter's goldens, compared with the merged model's."""
    adapter = folder / "adapters" / name
    model = PeftModel.from_pretrained(read_model(family, folder / "model"), str(adapter)).eval()
    goldens = [run_case(model, case, family.end) for case in cases]
    whole = merged(read_model(family, folder / "model"), adapter)
    for case, golden in zip(cases, goldens, strict=True):
        other = run_case(whole, case, family.end)
        assert golden.distance(other) < MERGE_TOLERANCE, f"{folder.name}/{name}: differs from the merged model"
        assert golden.tokens == other.tokens or golden.smallest_gap < SMALLEST_GAP, f"{folder.name}/{name}: tokens"
    return goldens


def write_family(name: str, out: Path, seed: int) -> tuple[list[Case], Goldens]:
    family, folder = FAMILIES[name], out / name
    shutil.rmtree(folder, ignore_errors=True)
    write_model(family, folder / "model", seed)
    cases = random_cases(family, seed)
    goldens = {"base": [run_case(read_model(family, folder / "model"), case, family.end) for case in cases]}
    for adapter, config in adapter_configs(family).items():
        write_adapter(read_model(family, folder / "model"), config, folder, adapter)
        goldens[adapter] = run_adapter(family, folder, adapter, cases)
    return cases, goldens


def effect(goldens: Goldens, name: str) -> float:
    return max(own.distance(plain) for own, plain in zip(goldens[name], goldens["base"], strict=True))


def changed(goldens: Goldens) -> int:
    """How many adapters write other tokens than the base model."""
    plain = [golden.tokens for golden in goldens["base"]]
    return sum([golden.tokens for golden in own] != plain for own in goldens.values())


def acceptable(goldens: Goldens) -> bool:
    clear = all(golden.smallest_gap >= SMALLEST_GAP for own in goldens.values() for golden in own)
    seen = all(effect(goldens, name) >= SMALLEST_EFFECT for name in goldens if name != "base")
    return clear and seen and changed(goldens) >= TOKENS_CHANGED * (len(goldens) - 1)


def golden_tensors(cases: list[Case], goldens: Goldens) -> dict[str, Tensor]:
    tensors = {}
    for index, case in enumerate(cases):
        tensors[f"case{index}.input_ids"] = integers(case.input_ids)
        tensors[f"case{index}.decoder_input_ids"] = integers(case.prompt)
        tensors[f"case{index}.max_tokens"] = integers([case.max_tokens])
        for name, own in goldens.items():
            prefix = f"{name}.case{index}."
            tensors |= {prefix + key: tensor for key, tensor in stored(own[index], goldens["base"][index]).items()}
    return tensors


def stored(golden: Golden, base: Golden) -> dict[str, Tensor]:
    """Without what is to be had elsewhere: logits of a prompt of one token, an encoder output that did not change."""
    tensors = {"tokens": integers(golden.tokens), "logits": golden.logits}
    if len(golden.prompt_logits) > 1:
        tensors["prompt_logits"] = golden.prompt_logits.contiguous()
    if golden is base or not torch.equal(golden.encoder_output, base.encoder_output):
        tensors["encoder_output"] = golden.encoder_output.contiguous()
    return tensors


def integers(values: list[int]) -> Tensor:
    return torch.tensor(values, dtype=torch.int32)


def make(name: str, out: Path) -> str:
    """Writes the first acceptable seed's family; returns a line about it."""
    for seed in count(1):
        cases, goldens = write_family(name, out, seed)
        if acceptable(goldens):
            break
    save_file(golden_tensors(cases, goldens), out / name / "goldens.safetensors")
    size = sum(path.stat().st_size for path in (out / name).rglob("*") if path.is_file())
    gap = min(golden.smallest_gap for own in goldens.values() for golden in own)
    least = min(effect(goldens, adapter) for adapter in goldens if adapter != "base")
    return (
        f"{name:<9} seed {seed:<3} {size / 1000:4.0f} kB  {len(goldens) - 1} adapters, {changed(goldens)} change tokens"
        f"  smallest effect {least:.3f}  smallest gap {gap:.4f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "test/goldens/lora")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    for name in FAMILIES:
        print(make(name, out), flush=True)


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    main()
