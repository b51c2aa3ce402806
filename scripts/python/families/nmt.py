"""A transformer for translation as fairseq defines it, in plain PyTorch, and its checkpoint file.

Parameter names are fairseq's. Post-norm and pre-norm, sinusoidal or learned positions, any of fairseq's ways to share
embeddings. Symbols in shapes: H embedding, F feed-forward, V vocabulary.
"""

import math
from argparse import Namespace
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from families.random_parameters import random_parameter

PAD = 1
Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Component:
    """Half of a model: 'encoder' or 'decoder', with the settings that begin with its name."""

    name: str
    layers: int
    ffn: int
    heads: int
    pre_norm: bool


@dataclass(frozen=True)
class Nmt:
    """`shared` takes the decoder's embedding as output projection; `learned` positions instead of sinusoids."""

    hidden: int
    source_vocab: int
    target_vocab: int
    max_positions: int
    encoder: Component
    decoder: Component
    shared: bool = False
    learned: bool = False
    embedding_norm: bool = False
    activation: str = "relu"

    @property
    def components(self) -> tuple[Component, Component]:
        return (self.encoder, self.decoder)


def parameter_shapes(nmt: Nmt) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    hidden = nmt.hidden
    for part, vocab in zip(nmt.components, (nmt.source_vocab, nmt.target_vocab), strict=True):
        shapes[f"{part.name}.embed_tokens.weight"] = (vocab, hidden)
        if nmt.learned:
            shapes[f"{part.name}.embed_positions.weight"] = (nmt.max_positions + PAD + 1, hidden)
        if nmt.embedding_norm:
            shapes |= with_bias(f"{part.name}.layernorm_embedding", (hidden,))
        for index in range(part.layers):
            shapes |= layer_shapes(f"{part.name}.layers.{index}.", part, hidden)
        if part.pre_norm:
            shapes |= with_bias(f"{part.name}.layer_norm", (hidden,))
    if not nmt.shared:
        shapes["decoder.output_projection.weight"] = (nmt.target_vocab, hidden)
    return shapes


def layer_shapes(prefix: str, part: Component, hidden: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for attention in ("self_attn", "encoder_attn") if part.name == "decoder" else ("self_attn",):
        for projection in ("k_proj", "v_proj", "q_proj", "out_proj"):
            shapes |= with_bias(f"{prefix}{attention}.{projection}", (hidden, hidden))
        shapes |= with_bias(f"{prefix}{attention}_layer_norm", (hidden,))
    shapes |= with_bias(f"{prefix}fc1", (part.ffn, hidden))
    shapes |= with_bias(f"{prefix}fc2", (hidden, part.ffn))
    return shapes | with_bias(f"{prefix}final_layer_norm", (hidden,))


def random_state(nmt: Nmt) -> Tensors:
    return {name: random_parameter(name, shape, scaled=True) for name, shape in parameter_shapes(nmt).items()}


def with_bias(name: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def sinusoids(rows: int, dim: int, dtype: torch.dtype) -> Tensor:
    """[rows, dim] of the positions PAD + 1, PAD + 2, …: sines in the first half, cosines in the second."""
    half = dim // 2
    frequencies = torch.exp(torch.arange(half, dtype=torch.float64) * -(math.log(10000) / (half - 1)))
    angles = torch.arange(PAD + 1, PAD + 1 + rows, dtype=torch.float64)[:, None] * frequencies
    table = torch.cat([angles.sin(), angles.cos()], dim=1)
    return nn.functional.pad(table, (0, dim - table.shape[1])).to(dtype)


@dataclass
class NmtReference:
    """The forward pass; one sequence to encode, a batch of decoder sequences of one length."""

    nmt: Nmt
    state: Tensors

    def encode(self, input_ids: list[int]) -> Tensor:
        """[n, H]"""
        part = self.nmt.encoder
        x = self.embed(part, torch.tensor([input_ids]))
        for index in range(part.layers):
            x = self.layer(x, part, f"encoder.layers.{index}.", mask=None, encoded=None)
        return self.final_norm(x, part)[0]

    def next_logits(self, encoded: Tensor, decoder_ids: list[list[int]]) -> Tensor:
        """[sequences, V] after the last token of each"""
        part = self.nmt.decoder
        x = self.embed(part, torch.tensor(decoder_ids))
        length = x.shape[1]
        mask = torch.full((length, length), -torch.inf, dtype=x.dtype).triu(1)
        for index in range(part.layers):
            x = self.layer(x, part, f"decoder.layers.{index}.", mask, encoded.expand(len(x), -1, -1))
        name = "decoder.embed_tokens" if self.nmt.shared else "decoder.output_projection"
        return self.final_norm(x, part)[:, -1] @ self.state[f"{name}.weight"].T

    def embed(self, part: Component, ids: Tensor) -> Tensor:
        x = math.sqrt(self.nmt.hidden) * self.state[f"{part.name}.embed_tokens.weight"][ids]
        if self.nmt.learned:
            x = x + self.state[f"{part.name}.embed_positions.weight"][PAD + 1 :][: ids.shape[1]]
        else:
            x = x + sinusoids(ids.shape[1], self.nmt.hidden, x.dtype)
        return self.norm(x, f"{part.name}.layernorm_embedding") if self.nmt.embedding_norm else x

    def layer(self, x: Tensor, part: Component, prefix: str, mask: Tensor | None, encoded: Tensor | None) -> Tensor:
        def residual(x: Tensor, norm: str, f) -> Tensor:
            return x + f(self.norm(x, prefix + norm)) if part.pre_norm else self.norm(x + f(x), prefix + norm)

        attention = prefix + "self_attn"
        x = residual(x, "self_attn_layer_norm", lambda y: self.attention(y, y, attention, part.heads, mask))
        if encoded is not None:
            cross = prefix + "encoder_attn"
            x = residual(x, "encoder_attn_layer_norm", lambda y: self.attention(y, encoded, cross, part.heads, None))
        return residual(x, "final_layer_norm", lambda y: self.mlp(y, prefix))

    def attention(self, x: Tensor, memory: Tensor, name: str, heads: int, mask: Tensor | None) -> Tensor:
        def split(y: Tensor) -> Tensor:
            return y.unflatten(-1, (heads, -1)).transpose(1, 2)  # [b, heads, length, head size]

        q = split(self.linear(x, f"{name}.q_proj"))
        k, v = (split(self.linear(memory, f"{name}.{part}_proj")) for part in "kv")
        scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])
        weights = (scores if mask is None else scores + mask).softmax(dim=-1)
        return self.linear((weights @ v).transpose(1, 2).flatten(2), f"{name}.out_proj")

    def mlp(self, x: Tensor, prefix: str) -> Tensor:
        activation = {"relu": nn.functional.relu, "gelu": nn.functional.gelu}[self.nmt.activation]
        return self.linear(activation(self.linear(x, prefix + "fc1")), prefix + "fc2")

    def linear(self, x: Tensor, name: str) -> Tensor:
        return nn.functional.linear(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def norm(self, x: Tensor, name: str) -> Tensor:
        return nn.functional.layer_norm(x, x.shape[-1:], self.state[f"{name}.weight"], self.state[f"{name}.bias"], 1e-5)

    def final_norm(self, x: Tensor, part: Component) -> Tensor:
        return self.norm(x, f"{part.name}.layer_norm") if part.pre_norm else x


def settings(nmt: Nmt) -> dict:
    """What fairseq calls the arguments of the model; what is left out has fairseq's default."""
    named = {}
    for part in nmt.components:
        named |= {
            f"{part.name}_layers": part.layers,
            f"{part.name}_ffn_embed_dim": part.ffn,
            f"{part.name}_attention_heads": part.heads,
            f"{part.name}_embed_dim": nmt.hidden,
            f"{part.name}_normalize_before": part.pre_norm,
            f"{part.name}_learned_pos": nmt.learned,
        }
    return named | {
        "arch": "transformer",
        "activation_fn": nmt.activation,
        "dropout": 0.1,
        "layernorm_embedding": nmt.embedding_norm,
        "max_source_positions": nmt.max_positions,
        "max_target_positions": nmt.max_positions,
        "no_scale_embedding": False,
        "no_token_positional_embeddings": False,
        "share_all_embeddings": False,
        "share_decoder_input_output_embed": nmt.shared,
    }


def save(nmt: Nmt, state: Tensors, file: Path, *, modern: bool) -> None:
    """As fairseq's trainer does: older ones keep 'args', newer ones 'cfg', and much that no model needs."""
    buffers = {f"{part.name}.embed_positions._float_tensor": torch.ones(1) for part in nmt.components}
    version = {f"{part.name}.version": torch.tensor([3.0]) for part in nmt.components}
    model = OrderedDict({**state, **version, **({} if nmt.learned else buffers)})
    if nmt.shared:
        model["decoder.output_projection.weight"] = model["decoder.embed_tokens.weight"]  # the same storage
    args = Namespace(**settings(nmt))
    config = {
        "args": None,
        "cfg": {"_name": None, "common": {"seed": 1}, "model": args, "task": {"_name": "translation"}},
    }
    torch.save(
        {
            **(config if modern else {"args": args}),
            "model": model,
            "optimizer_history": [{"criterion_name": "CrossEntropyCriterion", "num_updates": 7}],
            "extra_state": {"epoch": 1, "val_loss": 4.5, "train_iterator": {"iterations_in_epoch": 0}},
            "last_optimizer_state": {"state": {0: {"exp_avg": torch.zeros(3)}}},
        },
        file,
    )


def load(nmt: Nmt, file: Path) -> NmtReference:
    state = torch.load(file, weights_only=False)["model"]
    return NmtReference(nmt, {name: tensor.float() for name, tensor in state.items()})


def perturbed(reference: NmtReference, seed: int, size: float) -> NmtReference:
    """The same model with each weight changed by about `size` of itself."""
    generator = torch.Generator().manual_seed(seed)
    state = reference.state.items()
    moved = {name: t * (1 + size * torch.randn(t.shape, generator=generator)) for name, t in state}
    return NmtReference(reference.nmt, moved)
