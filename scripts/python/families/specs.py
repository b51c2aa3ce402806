"""The golden models: families, sizes, how their folders were saved, and their generation_config.json."""

from dataclasses import dataclass

from families.cases import Tokens
from families.hugging_face import HuggingFaceSpec
from families.nmt import Component, Nmt

T5_SIZES = (
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
BART_SIZES = (
    "vocab_size",
    "d_model",
    "encoder_layers",
    "decoder_layers",
    "encoder_attention_heads",
    "decoder_attention_heads",
    "encoder_ffn_dim",
    "decoder_ffn_dim",
    "max_position_embeddings",
)
VERSION_4 = {"transformers_version": "4.44.2", "dtype": None, "torch_dtype": "float32"}
T5_GENERATION = {"decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0}
BART_GENERATION = {"bos_token_id": 0, "decoder_start_token_id": 2, "eos_token_id": 2, "pad_token_id": 1}
BYT5_TOKENIZER = {
    "tokenizer_class": "ByT5Tokenizer",
    "extra_ids": 125,
    "eos_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
}


@dataclass(frozen=True)
class Golden:
    """`generate`: arguments with which Hugging Face's generate() runs beside the folder's generation_config.json."""

    name: str
    tokens: Tokens
    spec: HuggingFaceSpec | Nmt
    generate: dict | None = None
    modern: bool = False  # fairseq: 'cfg' instead of 'args'


def t5(
    name: str, act: str, tied: bool, sizes: tuple, generation: dict, patch: dict, model_type: str = "t5", **more
) -> Golden:
    config = dict(zip(T5_SIZES, sizes, strict=True)) | {
        "feed_forward_proj": act,
        "decoder_start_token_id": 0,
        "tie_word_embeddings": tied,
    }
    spec = HuggingFaceSpec(model_type, tied, config, patch, T5_GENERATION | generation, **more)
    return Golden(name, Tokens(sizes[0], [0], 1, [1]), spec, generate={"max_new_tokens": 20})


def bart(name: str, tokens: Tokens, sizes: tuple, config: dict, generation: dict, generate: dict, **more) -> Golden:
    model_type = "mbart" if name.startswith("mbart") else "bart"
    config = dict(zip(BART_SIZES, sizes, strict=True)) | {"decoder_start_token_id": 2} | config
    spec = HuggingFaceSpec(model_type, True, config, generation=BART_GENERATION | generation, **more)
    return Golden(name, tokens, spec, generate)


def nmt(
    name: str, modern: bool, hidden: int, vocabs: tuple[int, int], encoder: tuple, decoder: tuple, **more
) -> Golden:
    parts = (Component("encoder", *encoder), Component("decoder", *decoder))
    return Golden(name, Tokens(vocabs[0], [2], 2, [2]), Nmt(hidden, *vocabs, 64, *parts, **more), modern=modern)


# transformers 4 wrote tie_word_embeddings only where it was false, and had no scale_decoder_outputs
TIED_4 = VERSION_4 | {"tie_word_embeddings": None, "scale_decoder_outputs": None}
UNTIED_4 = VERSION_4 | {"tie_word_embeddings": False, "scale_decoder_outputs": None}
SUMMARY = {
    "num_beams": 4,
    "length_penalty": 2.0,
    "early_stopping": True,
    "no_repeat_ngram_size": 3,
    "min_length": 12,
    "max_length": 30,
    "forced_bos_token_id": 0,
    "forced_eos_token_id": 2,
}
SUPPRESSED = {"no_repeat_ngram_size": 2, "suppress_tokens": [5, 9, 33], "begin_suppress_tokens": [1, 12]}
PENALISED = {"repetition_penalty": 1.4, "min_new_tokens": 6, "bad_words_ids": [[7], [20, 4], [31, 8]]}
OLD_BART = {"normalize_before": False, "add_final_layer_norm": False}
OLD_MBART = {"normalize_before": True, "add_final_layer_norm": True}

GOLDENS = [
    t5("t5-v10", "relu", True, (61, 16, 10, 3, 28, 3, 2, 8, 20), {}, TIED_4),
    t5("t5-v11", "gated-gelu", False, (57, 16, 8, 3, 28, 1, 1, 16, 40), PENALISED, {}),
    t5("flan-t5", "gated-gelu", False, (63, 16, 10, 2, 24, 2, 3, 32, 128), SUPPRESSED, UNTIED_4, layout="sharded"),
    t5("mt5", "gated-gelu", False, (67, 20, 8, 2, 24, 2, 1, 12, 30), {}, UNTIED_4, model_type="mt5", layout="bin"),
    t5("ul2", "gated-silu", True, (59, 16, 12, 2, 28, 1, 2, 6, 14), {"num_beams": 3}, TIED_4),
    t5("flan-ul2", "gated-silu", False, (58, 16, 6, 4, 20, 2, 4, 8, 24), {}, UNTIED_4),
    t5(
        "byt5",
        "gated-gelu",
        False,
        (384, 16, 6, 4, 28, 3, 1, 32, 128),
        {},
        UNTIED_4 | {"torch_dtype": "bfloat16"},
        dtype="bfloat16",
        files={"tokenizer_config.json": BYT5_TOKENIZER},
    ),
    bart(
        "bart",
        Tokens(67, [2], 2, [2]),
        (67, 16, 2, 4, 4, 2, 28, 20, 64),
        {},
        SUMMARY,
        {},
        patch=VERSION_4 | OLD_BART,
    ),
    bart(
        "bart-without-head",
        Tokens(53, [2], 2, [2]),
        (53, 24, 1, 1, 3, 4, 28, 40, 50),
        {"scale_embedding": True, "activation_function": "gelu_new"},
        {},
        {"max_new_tokens": 16},
        patch={},
        without_prefix=True,
    ),
    bart(
        "mbart-cc25",
        Tokens(71, [69], 2, [2, 68]),
        (71, 16, 3, 2, 2, 4, 32, 20, 64),
        {"scale_embedding": True, "decoder_start_token_id": None},
        {"decoder_start_token_id": None, "num_beams": 2},
        {"decoder_start_token_id": 69, "max_length": 20},
        patch=VERSION_4 | OLD_MBART,
        layout="bin",
    ),
    bart(
        "mbart-50",
        Tokens(73, [2, 71], 2, [2]),
        (73, 18, 1, 2, 3, 2, 20, 28, 64),
        {"scale_embedding": True, "activation_function": "relu"},
        {"num_beams": 5, "max_length": 24, "forced_eos_token_id": 2},
        {"forced_bos_token_id": 71},
        patch=VERSION_4 | OLD_MBART,
        layout="sharded",
    ),
    nmt("nmt", False, 16, (53, 67), (2, 28, 4, False), (4, 20, 2, False)),
    nmt("nmt-pre-norm", True, 20, (59, 59), (3, 24, 2, True), (1, 32, 5, True), shared=True),
    nmt(
        "nmt-learned",
        True,
        18,
        (47, 51),
        (1, 20, 3, False),
        (1, 28, 2, False),
        learned=True,
        embedding_norm=True,
        activation="gelu",
    ),
]
