"""T5 checkpoint folders of TensorRT-LLM (encoder/ and decoder/, each config.json + rank0.safetensors), both ways.

Names and fields are those that TensorRT-LLM 1.x's converter for encoder-decoder models writes for a T5 on one GPU.
Every linear weight is [out, in] as in Hugging Face. Symbols in shapes: H d_model, A heads * d_kv, F d_ff, V vocabulary,
B buckets.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import T5Config, T5ForConditionalGeneration

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
Tensors = dict[str, Tensor]


def write_checkpoint(model: T5ForConditionalGeneration, folder: Path, dtype: str) -> None:
    """The model's weights rounded to `dtype`, as <folder>/encoder and <folder>/decoder."""
    state = model.state_dict()
    for name, config in (("encoder", encoder_config), ("decoder", decoder_config)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "config.json").write_text(json.dumps(config(model.config, dtype), indent=2) + "\n")
        tensors = {key: gather(state, key, sources) for key, sources in tensor_map(model.config, name).items()}
        stored = {key: tensor.to(DTYPES[dtype]).contiguous() for key, tensor in tensors.items()}
        save_file(stored, folder / name / "rank0.safetensors")


def gather(state: Tensors, name: str, sources: Sequence[str]) -> Tensor:
    """One checkpoint tensor from its Hugging Face parameters: rows stacked, the relative table transposed."""
    stacked = torch.cat([state[source] for source in sources])
    return stacked.T if name.endswith("rel_attn_table") else stacked


def read_checkpoint(folder: Path) -> T5ForConditionalGeneration:
    """A Hugging Face model in float32 with exactly the stored weights."""
    model = T5ForConditionalGeneration(read_config(folder))
    model.lm_head.weight = nn.Parameter(torch.empty_like(model.lm_head.weight))
    state = model.state_dict()
    for component in ("encoder", "decoder"):
        tensors = load_file(folder / component / "rank0.safetensors")
        for name, targets in tensor_map(model.config, component).items():
            scatter(tensors[name].float(), name, [state[target] for target in targets])
    return model.eval().requires_grad_(False)


def scatter(tensor: Tensor, name: str, targets: Sequence[Tensor]) -> None:
    """The inverse of `gather`, into parameters that exist."""
    stacked = tensor.T if name.endswith("rel_attn_table") else tensor
    for target, rows in zip(targets, stacked.chunk(len(targets)), strict=True):
        target.copy_(rows)


def tensor_map(config: T5Config, component: str) -> dict[str, list[str]]:
    """Checkpoint tensor -> the Hugging Face parameters that it is made of, for 'encoder' or 'decoder'."""
    names = {
        "transformer.vocab_embedding.weight": ["shared.weight"],  # [V, H]
        "transformer.ln_f.weight": [f"{component}.final_layer_norm.weight"],  # [H]
    }
    if component == "encoder":
        layers = (encoder_layer(index, config.is_gated_act) for index in range(config.num_layers))
    else:
        layers = (decoder_layer(index, config.is_gated_act) for index in range(config.num_decoder_layers))
        names["lm_head.weight"] = ["lm_head.weight"]  # [V, H], the embedding once more when tied
        names["rel_attn_table"] = [relative_table("decoder")]
    for layer in layers:
        names |= layer
    return names


def encoder_layer(index: int, gated: bool) -> dict[str, list[str]]:
    ours, theirs = f"transformer.layers.{index}.", f"encoder.block.{index}.layer."
    return {
        **attention(ours + "attention", theirs + "0.SelfAttention"),
        ours + "attention.rel_attn_table": [relative_table("encoder")],
        ours + "attention_layernorm.weight": [theirs + "0.layer_norm.weight"],
        **mlp(ours, theirs + "1", gated),
    }


def decoder_layer(index: int, gated: bool) -> dict[str, list[str]]:
    ours, theirs = f"transformer.layers.{index}.", f"decoder.block.{index}.layer."
    return {
        **attention(ours + "self_attention", theirs + "0.SelfAttention"),
        **attention(ours + "cross_attention", theirs + "1.EncDecAttention"),
        ours + "self_attention.rel_attn_table": [relative_table("decoder")],
        ours + "self_attention_layernorm.weight": [theirs + "0.layer_norm.weight"],
        ours + "cross_attention_layernorm.weight": [theirs + "1.layer_norm.weight"],
        **mlp(ours, theirs + "2", gated),
    }


def attention(ours: str, theirs: str) -> dict[str, list[str]]:
    """qkv [3A, H]: the rows of Q, then K, then V; dense [H, A]."""
    return {
        f"{ours}.qkv.weight": [f"{theirs}.{part}.weight" for part in "qkv"],
        f"{ours}.dense.weight": [f"{theirs}.o.weight"],
    }


def relative_table(component: str) -> str:
    """Block 0's table [B, heads], which all layers share; stored transposed."""
    return f"{component}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"


def mlp(ours: str, theirs: str, gated: bool) -> dict[str, list[str]]:
    """fc [F, H] is the activated branch, gate [F, H] the linear one (gated models only), proj [H, F]."""
    dense = f"{theirs}.DenseReluDense."
    gate = {f"{ours}mlp.gate.weight": [dense + "wi_1.weight"]} if gated else {}
    return {
        f"{ours}mlp_layernorm.weight": [f"{theirs}.layer_norm.weight"],
        f"{ours}mlp.fc.weight": [dense + ("wi_0.weight" if gated else "wi.weight")],
        f"{ours}mlp.proj.weight": [dense + "wo.weight"],
        **gate,
    }


def shared_config(config: T5Config, dtype: str) -> dict:
    """The fields that both components carry."""
    return {
        "dtype": dtype,
        "logits_dtype": "float32",
        "num_attention_heads": config.num_heads,
        "head_size": config.d_kv,
        "hidden_size": config.d_model,
        "intermediate_size": config.d_ff,
        "vocab_size": config.vocab_size,
        "max_position_embeddings": getattr(config, "n_positions", 512),
        "position_embedding_type": "relative",
        "has_position_embedding": False,
        "relative_attention": True,
        "num_buckets": config.relative_attention_num_buckets,
        "max_distance": config.relative_attention_max_distance,
        "hidden_act": config.dense_act_fn,
        "gated_act": config.is_gated_act,
        "mlp_type": int(config.is_gated_act),
        "layernorm_type": 1,
        "layernorm_position": 0,
        "norm_epsilon": config.layer_norm_epsilon,
        "has_model_final_layernorm": True,
        "has_embedding_layernorm": False,
        "has_embedding_scale": False,
        "has_attention_qkvo_bias": False,
        "has_mlp_bias": False,
        "q_scaling": config.d_kv**-0.5,
        "model_type": "t5",
        "quantization": {"quant_algo": None, "kv_cache_quant_algo": None},
        "mapping": {"world_size": 1, "tp_size": 1, "pp_size": 1},
        "use_parallel_embedding": False,
        "embedding_sharding_dim": 0,
    }


def encoder_config(config: T5Config, dtype: str) -> dict:
    return {
        "architecture": "EncoderModel",
        "num_hidden_layers": config.num_layers,
        "num_key_value_heads": config.num_heads,
        **shared_config(config, dtype),
    }


def decoder_config(config: T5Config, dtype: str) -> dict:
    return {
        "architecture": "DecoderModel",
        "num_hidden_layers": config.num_decoder_layers,
        **shared_config(config, dtype),
        "use_implicit_relative_attention": False,
        "rescale_before_lm_head": config.scale_decoder_outputs,
        "encoder_hidden_size": config.d_model,
        "encoder_num_heads": config.num_heads,
        "encoder_head_size": config.d_kv,
        "skip_cross_kv": False,
        "decoder_start_token_id": config.decoder_start_token_id,
        "eos_token_id": config.eos_token_id,
        "bos_token_id": None,
        "pad_token_id": config.pad_token_id,
    }


def read_config(folder: Path) -> T5Config:
    encoder = json.loads((folder / "encoder/config.json").read_text())
    decoder = json.loads((folder / "decoder/config.json").read_text())
    activation = {"gelu_new": "gelu"}.get(decoder["hidden_act"], decoder["hidden_act"])
    config = T5Config(
        vocab_size=decoder["vocab_size"],
        d_model=decoder["hidden_size"],
        d_kv=decoder["head_size"],
        d_ff=decoder["intermediate_size"],
        num_heads=decoder["num_attention_heads"],
        num_layers=encoder["num_hidden_layers"],
        num_decoder_layers=decoder["num_hidden_layers"],
        relative_attention_num_buckets=decoder["num_buckets"],
        relative_attention_max_distance=decoder["max_distance"],
        layer_norm_epsilon=decoder["norm_epsilon"],
        feed_forward_proj=("gated-" if decoder["gated_act"] else "") + activation,
        tie_word_embeddings=decoder["rescale_before_lm_head"],
        decoder_start_token_id=decoder["decoder_start_token_id"],
        eos_token_id=decoder["eos_token_id"],
        pad_token_id=decoder["pad_token_id"],
        n_positions=decoder["max_position_embeddings"],
    )
    config._attn_implementation = "eager"
    return config
