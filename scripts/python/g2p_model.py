"""The sample model's shape, and how it is created through transformers."""

import torch
from torch import nn
from transformers import T5Config, T5ForConditionalGeneration
from transformers.models.t5.modeling_t5 import T5DenseGatedActDense, T5LayerNorm

from g2p_tokenizer import EOS, PAD, vocabulary

MAX_LENGTH = 64  # longest input and output that the model is meant for


def sample_config(dropout: float, width: int = 256, hidden: int = 512) -> T5Config:
    """T5 v1.1: RMS norm, relative positions, gated GELU, a head of its own without rescaling."""
    return T5Config(
        vocab_size=len(vocabulary()),
        d_model=width,
        d_kv=64,
        num_heads=width // 64,
        d_ff=hidden,
        num_layers=4,
        num_decoder_layers=3,
        relative_attention_num_buckets=32,
        relative_attention_max_distance=64,
        dropout_rate=dropout,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        pad_token_id=PAD,
        eos_token_id=EOS,
        decoder_start_token_id=PAD,
        n_positions=MAX_LENGTH,
    )


def create_model(config: T5Config) -> T5ForConditionalGeneration:
    config._attn_implementation = "eager"
    model = T5ForConditionalGeneration(config)
    untie_head(model)
    return model


def untie_head(model: T5ForConditionalGeneration) -> None:
    """transformers 5 always ties the head to the embedding; T5 v1.1 has a head of its own."""
    shape = model.lm_head.weight.shape
    model.lm_head.weight = nn.Parameter(torch.randn(shape) * shape[1] ** -0.5)


def parameter_count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def fuse_kernels(model: nn.Module) -> None:
    """Swaps norm and activation for PyTorch's single-kernel versions of the same functions; parameter names stay."""
    for parent in list(model.modules()):
        if isinstance(parent, T5DenseGatedActDense):
            parent.act = nn.GELU(approximate="tanh")
        for name, child in list(parent.named_children()):
            if isinstance(child, T5LayerNorm):
                setattr(parent, name, fused_norm(child))


def fused_norm(norm: T5LayerNorm) -> nn.RMSNorm:
    fused = nn.RMSNorm(norm.weight.shape, eps=norm.variance_epsilon)
    fused.weight = norm.weight
    return fused
