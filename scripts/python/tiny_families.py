"""Tiny random T5, gated T5, BART and mBART models as Hugging Face folders, for goldens.

Every parameter is random, norm weights and biases too, so that a forgotten one shows. The scales keep attention between
uniform and one-hot and let the layers outweigh a token's own embedding.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    MBartConfig,
    MBartForConditionalGeneration,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
)

from g2p_model import untie_head

VOCABULARY = 41
# Parameter name part -> scale; other matrices get 2 / sqrt(columns), vectors (biases) 0.2.
T5_GAINS = {".q.": 0.6, ".k.": 0.8, "lm_head": 3.0}
MATRIX_GAIN, BIAS_SCALE = 2.0, 0.2


@dataclass(frozen=True)
class Family:
    """`cross` and `self_` name the attention blocks, `feed_forward` the linear layers beside them."""

    create: Callable[[], PreTrainedModel]
    load: type[PreTrainedModel]
    self_: str
    cross: str
    projections: tuple[str, ...]
    feed_forward: tuple[str, ...]
    start: int
    end: int


def create_t5() -> T5ForConditionalGeneration:
    return T5ForConditionalGeneration(t5_config(feed_forward_proj="relu", num_layers=3))


def create_gated_t5() -> T5ForConditionalGeneration:
    model = T5ForConditionalGeneration(
        t5_config(feed_forward_proj="gated-gelu", num_layers=2, tie_word_embeddings=False)
    )
    untie_head(model)
    return model


def t5_config(**fields: Any) -> T5Config:
    return T5Config(
        vocab_size=VOCABULARY,
        d_model=16,
        d_kv=9,
        num_heads=2,
        d_ff=20,
        num_decoder_layers=2,
        relative_attention_num_buckets=8,
        relative_attention_max_distance=20,
        decoder_start_token_id=0,
        **fields,
    )


def create_bart() -> BartForConditionalGeneration:
    return BartForConditionalGeneration(BartConfig(encoder_layers=1, decoder_layers=2, **BART_FIELDS))


def create_mbart() -> MBartForConditionalGeneration:
    config = MBartConfig(
        encoder_layers=2,
        decoder_layers=1,
        activation_function="relu",
        scale_embedding=True,
        normalize_before=True,
        **BART_FIELDS,
    )
    return MBartForConditionalGeneration(config)


BART_FIELDS: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "d_model": 16,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 20,
    "max_position_embeddings": 24,
    "decoder_start_token_id": 2,
    "forced_eos_token_id": None,
}
T5_BLOCKS = ("SelfAttention", "EncDecAttention", ("q", "k", "v", "o"))
BART_BLOCKS = ("self_attn", "encoder_attn", ("q_proj", "k_proj", "v_proj", "out_proj"))
FAMILIES = {
    "t5": Family(create_t5, T5ForConditionalGeneration, *T5_BLOCKS, ("wi", "wo"), 0, 1),
    "t5-gated": Family(create_gated_t5, T5ForConditionalGeneration, *T5_BLOCKS, ("wi_0", "wi_1", "wo"), 0, 1),
    "bart": Family(create_bart, BartForConditionalGeneration, *BART_BLOCKS, ("fc1", "fc2"), 2, 2),
    "mbart": Family(create_mbart, MBartForConditionalGeneration, *BART_BLOCKS, ("fc1", "fc2"), 2, 2),
}


def write_model(family: Family, folder: Path, seed: int) -> None:
    """<folder>/config.json, generation_config.json and model.safetensors in float32."""
    torch.manual_seed(seed)
    model = family.create()
    for name, parameter in model.named_parameters():
        parameter.data = random_parameter(name, parameter)
    model.save_pretrained(str(folder))
    settle_head(folder / "config.json")


def settle_head(path: Path) -> None:
    """transformers 5 writes every T5 as tied; published folders say by `tie_word_embeddings` whether it is."""
    config = json.loads(path.read_text())
    if "scale_decoder_outputs" in config:
        config["tie_word_embeddings"] = config.pop("scale_decoder_outputs")
    path.write_text(json.dumps(config, indent=2) + "\n")


def random_parameter(name: str, like: Tensor) -> Tensor:
    noise = torch.randn(like.shape)
    if "norm" in name and name.endswith("weight"):
        return 1 + 0.3 * noise
    if like.ndim == 1:
        return BIAS_SCALE * noise
    if "shared" in name or "embed_positions" in name:
        return 0.3 * noise
    if "relative_attention_bias" in name:
        return 2 * noise
    gain = next((gain for part, gain in T5_GAINS.items() if part in name), MATRIX_GAIN)
    return gain * noise * like.shape[1] ** -0.5


def read_model(family: Family, folder: Path) -> PreTrainedModel:
    """The stored model in float32 with eager attention."""
    model = family.load.from_pretrained(str(folder), dtype=torch.float32, attn_implementation="eager")
    return model.eval().requires_grad_(False)
