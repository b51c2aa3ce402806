"""Random parameters of tiny models that nevertheless say something."""

from collections.abc import Sequence

import torch
from torch import Tensor

# part of a parameter's name -> scale, other matrices 2; T5 does not divide scores by the root of the head size
GAINS = {
    ".q.": 0.6,
    ".k.": 0.8,
    "q_proj": 1.5,
    "k_proj": 1.5,
    "v_proj": 0.6,
    "out_proj": 0.6,
    "fc1": 1.4,
    "fc2": 0.7,
    "lm_head": 3.0,
    "output_projection": 3.0,
}


def random_parameter(name: str, shape: Sequence[int], scaled: bool) -> Tensor:
    """
    Scales that keep attention between uniform and one-hot and let the layers outweigh the token's own embedding: else a
    model says one word for ever. `scaled`: embeddings are multiplied by the root of their size.
    """
    noise = torch.randn(tuple(shape))
    if "norm" in name and name.endswith(".weight"):
        return (1 + 0.3 * noise) * torch.randn(noise.shape).sign()  # else a tied head finds the token that came in
    if name.endswith(".bias"):
        return 0.1 * noise
    if "relative_attention_bias" in name:
        return 2 * noise
    if "embed_positions" in name:
        return noise
    if "shared" in name or "embed_tokens" in name:
        return (0.2 if scaled else 0.3) * noise
    gain = next((gain for part, gain in GAINS.items() if part in name), 2.0)
    return gain * noise * shape[1] ** -0.5
