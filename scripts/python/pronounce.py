"""Words -> phonemes with the sample model."""

from collections.abc import Sequence

from transformers import T5ForConditionalGeneration

from g2p_model import MAX_LENGTH
from g2p_tokenizer import build_tokenizer
from greedy import decode_all


def pronounce(
    model: T5ForConditionalGeneration, words: Sequence[str], batch_size: int, beams: int = 1, penalty: float = 0.0
) -> list[list[str]]:
    """The phonemes of each word, stress digits included: greedy, or the best of so many beams."""
    tokenizer = build_tokenizer()
    inputs = [encoding.ids for encoding in tokenizer.encode_batch(list(words))]
    outputs = decode_all(model, inputs, MAX_LENGTH // 2, batch_size, beams, penalty)
    return [tokenizer.decode(ids).split() for ids in outputs]
