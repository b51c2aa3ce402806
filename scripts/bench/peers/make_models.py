"""Models with random weights of named shapes: a Hugging Face folder, and CTranslate2's two folders of it.

usage: make_models.py FOLDER NAME...
"""

import sys
from pathlib import Path
from typing import Any

import torch
from ctranslate2.converters import TransformersConverter
from tokenizers import Tokenizer, models
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

TINY = {"vocab_size": 112, "d_model": 256, "num_heads": 4, "d_kv": 64, "d_ff": 1024, "num_layers": 4}
SMALL = {"vocab_size": 32128, "d_model": 512, "num_heads": 8, "d_kv": 64, "d_ff": 2048, "num_layers": 6}
BASE = {"vocab_size": 32128, "d_model": 768, "num_heads": 12, "d_kv": 64, "d_ff": 2048, "num_layers": 12}
GATED = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}

T5_SHAPES: dict[str, dict[str, Any]] = {
    "g2p-bench": TINY | GATED,
    "t5-small": SMALL | {"feed_forward_proj": "relu"},
    "t5-base": BASE | GATED,
}

# The three about norms are BART's; CTranslate2 reads them.
BART_BASE: dict[str, Any] = {
    **{"d_model": 768, "encoder_layers": 6, "decoder_layers": 6, "encoder_ffn_dim": 3072, "decoder_ffn_dim": 3072},
    **{"encoder_attention_heads": 12, "decoder_attention_heads": 12, "forced_eos_token_id": None},
    **{"normalize_before": False, "normalize_embedding": True, "add_final_layer_norm": False},
}


def make_model(name: str) -> PreTrainedModel:
    torch.manual_seed(1)
    if name == "bart-base":
        return BartForConditionalGeneration(BartConfig(**BART_BASE))
    shape = T5_SHAPES[name]
    return T5ForConditionalGeneration(T5Config(**shape, decoder_start_token_id=0))


def save_tokenizer(vocab_size: int, folder: Path) -> None:
    """Token i is written "i": converters want a vocabulary."""
    special = {0: "<pad>", 1: "</s>", 2: "<unk>"}
    words = {special.get(i, f"t{i}"): i for i in range(vocab_size)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", bos_token="<pad>"
    ).save_pretrained(folder)


def make(name: str, folder: Path) -> None:
    model = make_model(name).eval()
    model.save_pretrained(folder / "hf")
    save_tokenizer(model.config.vocab_size, folder / "hf")
    for quantization in ("float32", "int8_float32"):
        converter = TransformersConverter(str(folder / "hf"))
        converter.convert(str(folder / f"ct2-{quantization}"), quantization=quantization)


def main(folder: str, *names: str) -> None:
    for name in names:
        make(name, Path(folder) / name)


if __name__ == "__main__":
    main(*sys.argv[1:])
