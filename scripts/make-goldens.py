#!/usr/bin/env python3
"""Makes test/goldens/: tiny random T5 models as checkpoint folders, and what Hugging Face computes with them.

    python scripts/make-goldens.py [--out test/goldens]

Each folder <name>/ holds encoder/ and decoder/ (a TensorRT-LLM checkpoint) and goldens.safetensors with, per case i:

    case{i}.input_ids          I32 [n]          ends with the end token 1
    case{i}.decoder_input_ids  I32 [m]          the decoder's prompt, normally [0]
    case{i}.max_tokens         I32 [1]
    case{i}.tokens             I32 [generated]  greedy, without the end token
    case{i}.logits             F32 [steps, V]   of each greedy step, also of the one that chose the end token
    case{i}.encoder_output     F32 [n, H]

Reference: Hugging Face in float32 on the stored (rounded) weights, eager attention, one thread, no cache, one case at a
time. Every parameter is random (norm weights too), so that a forgotten one shows. A model's seed is the first whose
outputs are varied, end early in one case, cross a block border in another and never hang on a near tie (`acceptable`).
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import T5Config, T5ForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts/python"))

from checkpoint import read_checkpoint, write_checkpoint  # noqa: E402
from g2p_model import untie_head  # noqa: E402

EOS = 1
LONG = 40  # tokens: more than one 32-token cache block
SMALLEST_GAP = 1e-3  # between the two best logits, as a share of the row's largest: 10 times the tests' tolerance
GAINS = {".q.": 0.6, ".k.": 0.8, "lm_head": 3.0}  # parameter name part -> scale, other matrices 2
# (input length with its end token, decoder prompt, max tokens)
CASES = [
    (1, [0], 3),
    (2, [0], 16),
    (6, [0], 48),
    (33, [0], 33),
    (70, [0], 48),
    (9, [0, 17, 42, 5], 20),
    (3, [0, *range(20, 56)], 8),
]


@dataclass(frozen=True)
class Spec:
    """One golden model; `tied` is T5 v1.0's shared and rescaled head."""

    name: str
    dtype: str
    activation: str
    tied: bool
    sizes: tuple[int, ...]  # in the order of SIZE_NAMES


@dataclass(frozen=True)
class Golden:
    input_ids: list[int]
    prompt: list[int]
    max_tokens: int
    tokens: list[int]
    logits: Tensor  # [steps, V]
    encoder_output: Tensor  # [n, H]

    @property
    def ended(self) -> bool:
        return len(self.logits) > len(self.tokens)

    @property
    def smallest_gap(self) -> float:
        best = self.logits.topk(2, dim=-1).values
        return float(((best[:, 0] - best[:, 1]) / self.logits.abs().amax(-1)).min())


SIZE_NAMES = (
    "vocab_size",
    "d_model",
    "d_kv",
    "num_heads",
    "d_ff",
    "num_layers",
    "num_decoder_layers",
    "relative_attention_num_buckets",
    "relative_attention_max_distance",
)
SPECS = [
    Spec("t5-v10", "float32", "relu", True, (101, 28, 12, 4, 40, 3, 2, 8, 20)),
    Spec("t5-v11", "float32", "gated-gelu", False, (115, 36, 8, 3, 40, 2, 3, 32, 128)),
    Spec("ul2", "float32", "gated-silu", True, (96, 40, 16, 2, 56, 1, 1, 5, 12)),
    Spec("t5-v11-float16", "float16", "gated-gelu", False, (103, 32, 16, 4, 40, 2, 2, 16, 64)),
    Spec("t5-v10-bfloat16", "bfloat16", "relu", True, (127, 40, 8, 6, 48, 2, 3, 32, 128)),
]


def random_model(spec: Spec, seed: int) -> T5ForConditionalGeneration:
    torch.manual_seed(seed)
    config = T5Config(
        **dict(zip(SIZE_NAMES, spec.sizes, strict=True)),
        feed_forward_proj=spec.activation,
        tie_word_embeddings=spec.tied,
        decoder_start_token_id=0,
    )
    model = T5ForConditionalGeneration(config)
    if not spec.tied:
        untie_head(model)
    for name, parameter in model.named_parameters():
        parameter.data = random_parameter(name, parameter)
    return model


def random_parameter(name: str, like: Tensor) -> Tensor:
    """Scales that keep attention between uniform and one-hot and let the layers outweigh the token's own embedding."""
    noise = torch.randn(like.shape)
    if "layer_norm" in name:
        return 1 + 0.3 * noise
    if "shared" in name:
        return 0.3 * noise
    if "relative_attention_bias" in name:
        return 2 * noise
    gain = next((gain for part, gain in GAINS.items() if part in name), 2.0)
    return gain * noise * like.shape[1] ** -0.5


@torch.no_grad()
def run_case(model: T5ForConditionalGeneration, input_ids: list[int], prompt: list[int], max_tokens: int) -> Golden:
    """Greedy decoding that keeps the logits of every step; the whole prefix is computed anew each time."""
    encoded = BaseModelOutput(last_hidden_state=model.encoder(input_ids=torch.tensor([input_ids]))[0])
    tokens: list[int] = []
    logits: list[Tensor] = []
    while len(tokens) < max_tokens and EOS not in tokens:
        decoded = torch.tensor([prompt + tokens])
        logits.append(model(encoder_outputs=encoded, decoder_input_ids=decoded, use_cache=False).logits[0, -1])
        tokens.append(int(logits[-1].argmax()))
    kept = tokens[:-1] if tokens[-1] == EOS else tokens
    return Golden(input_ids, prompt, max_tokens, kept, torch.stack(logits), encoded.last_hidden_state[0])


def run_cases(model: T5ForConditionalGeneration, vocab: int, seed: int) -> Iterator[Golden]:
    generator = torch.Generator().manual_seed(seed)
    for length, prompt, max_tokens in CASES:
        ids = torch.randint(2, vocab, (length - 1,), generator=generator).tolist()
        yield run_case(model, [*ids, EOS], prompt, max_tokens)


def acceptable(goldens: list[Golden]) -> bool:
    """One case that ends early, one long and varied, and no near ties."""
    ended = any(golden.ended and len(golden.tokens) > 1 for golden in goldens)
    long = [golden for golden in goldens if len(golden.tokens) >= LONG]
    varied = any(len(set(golden.tokens)) >= 12 for golden in long)
    clear = all(golden.smallest_gap >= SMALLEST_GAP for golden in goldens)
    return ended and varied and clear


def make(spec: Spec, out: Path) -> tuple[int, list[Golden]]:
    """Writes the first acceptable model of `spec`; returns its seed and its cases."""
    for seed in count(1):
        write_checkpoint(random_model(spec, seed), out / spec.name, spec.dtype)
        goldens = list(run_cases(read_checkpoint(out / spec.name), spec.sizes[0], seed))
        if acceptable(goldens):
            save_file(golden_tensors(goldens), out / spec.name / "goldens.safetensors")
            return seed, goldens
    raise AssertionError("unreachable")


def golden_tensors(goldens: list[Golden]) -> dict[str, Tensor]:
    tensors = {}
    for index, golden in enumerate(goldens):
        integers = {
            "input_ids": golden.input_ids,
            "decoder_input_ids": golden.prompt,
            "max_tokens": [golden.max_tokens],
            "tokens": golden.tokens,
        }
        for key, values in integers.items():
            tensors[f"case{index}.{key}"] = torch.tensor(values, dtype=torch.int32)
        tensors[f"case{index}.logits"] = golden.logits.contiguous()
        tensors[f"case{index}.encoder_output"] = golden.encoder_output.contiguous()
    return tensors


def summary(spec: Spec, seed: int, goldens: list[Golden], folder: Path) -> str:
    """One line; per case its tokens, '.' if it ended by itself, and in brackets how many are distinct."""
    runs = " ".join(f"{len(case.tokens)}{'.' * case.ended}({len(set(case.tokens))})" for case in goldens)
    gap = min(case.smallest_gap for case in goldens)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{spec.name:<16} seed {seed:<4} {size / 1000:6.0f} kB  smallest gap {gap:.4f}  tokens(distinct): {runs}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "test/goldens")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    for spec in SPECS:
        seed, goldens = make(spec, out)
        print(summary(spec, seed, goldens, out / spec.name), flush=True)


if __name__ == "__main__":
    main()
