"""Words -> phonemes with the sample model, greedy."""

from collections.abc import Sequence

from transformers import T5ForConditionalGeneration

from g2p_model import MAX_LENGTH
from g2p_tokenizer import build_tokenizer
from greedy import greedy_all


def pronounce(model: T5ForConditionalGeneration, words: Sequence[str], batch_size: int) -> list[list[str]]:
    """The phonemes of each word, stress digits included."""
    tokenizer = build_tokenizer()
    inputs = [encoding.ids for encoding in tokenizer.encode_batch(list(words))]
    outputs = greedy_all(model, inputs, MAX_LENGTH // 2, batch_size)
    return [tokenizer.decode(ids).split() for ids in outputs]
