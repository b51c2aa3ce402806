"""Texts -> what the sample model writes."""

from collections.abc import Sequence

from transformers import T5ForConditionalGeneration

from g2p_model import MAX_LENGTH
from g2p_tokenizer import build_tokenizer
from greedy import decode_all


def pronounce(
    model: T5ForConditionalGeneration, words: Sequence[str], batch_size: int, beams: int = 1, penalty: float = 0.0
) -> list[list[str]]:
    """The phonemes of each word, stress digits included: greedy, or the best of so many beams."""
    return [text.split() for text in write(model, words, batch_size, MAX_LENGTH // 2, beams, penalty)]


def write(
    model: T5ForConditionalGeneration,
    texts: Sequence[str],
    batch_size: int,
    max_tokens: int = MAX_LENGTH,
    beams: int = 1,
    penalty: float = 0.0,
) -> list[str]:
    """The decoded output of each text."""
    tokenizer = build_tokenizer()
    inputs = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    return [tokenizer.decode(ids) for ids in decode_all(model, inputs, max_tokens, batch_size, beams, penalty)]
