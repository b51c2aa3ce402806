"""Tiny random models of Hugging Face's T5 and BART families, saved as the folders that users have."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    GenerationConfig,
    MBartConfig,
    MBartForConditionalGeneration,
    MT5Config,
    MT5ForConditionalGeneration,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.modeling_outputs import BaseModelOutput

from families.cases import Case
from families.random_parameters import random_parameter

CLASSES = {
    "t5": (T5Config, T5ForConditionalGeneration),
    "mt5": (MT5Config, MT5ForConditionalGeneration),
    "bart": (BartConfig, BartForConditionalGeneration),
    "mbart": (MBartConfig, MBartForConditionalGeneration),
}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class HuggingFaceSpec:
    """
    One folder. `tied`: the head is the embedding. `config`: arguments of the configuration class. `patch`: changes of
    config.json that turn what transformers 5 writes into what older versions wrote (None: key removed). `layout`:
    'single', 'sharded' or 'bin'.
    """

    model_type: str
    tied: bool
    config: dict
    patch: dict
    generation: dict
    layout: str = "single"
    dtype: str = "float32"
    without_prefix: bool = False  # parameters named as in the class without a head: no 'model.', no logits bias
    files: dict[str, dict] = field(default_factory=dict)  # more JSON files


def random_model(spec: HuggingFaceSpec, seed: int) -> PreTrainedModel:
    """Every parameter and buffer is random, so that a forgotten one shows."""
    torch.manual_seed(seed)
    config_class, model_class = CLASSES[spec.model_type]
    model = model_class(config_class(**spec.config))
    if not spec.tied:
        model.lm_head.weight = nn.Parameter(model.lm_head.weight.detach().clone())
    for name, parameter in model.named_parameters():
        parameter.data = random_parameter(name, parameter.shape, bool(spec.config.get("scale_embedding")))
    if hasattr(model, "final_logits_bias") and not spec.without_prefix:
        model.final_logits_bias.data = 0.5 * torch.randn(model.final_logits_bias.shape)
    return model


def save(spec: HuggingFaceSpec, model: PreTrainedModel, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model.to(DTYPES[spec.dtype]).save_pretrained(folder)
    patch_json(folder / "config.json", spec.patch)
    (folder / "generation_config.json").write_text(json.dumps(spec.generation, indent=2) + "\n")
    for name, content in spec.files.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
    tensors = load_file(folder / "model.safetensors")
    if spec.without_prefix:
        tensors = {n.removeprefix("model."): t for n, t in tensors.items() if n != "final_logits_bias"}
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    LAYOUTS[spec.layout](model, tensors, folder)


def patch_json(file: Path, patch: dict) -> None:
    content = json.loads(file.read_text()) | patch
    kept = {key: value for key, value in content.items() if value is not None or key not in patch}
    file.write_text(json.dumps(kept, indent=2) + "\n")


def single(_model: PreTrainedModel, _tensors: dict[str, Tensor], _folder: Path) -> None:
    pass


def sharded(_model: PreTrainedModel, tensors: dict[str, Tensor], folder: Path) -> None:
    """Two files and an index, as save_pretrained writes models that are too large for one."""
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    files = {f"model-0000{i + 1}-of-00002.safetensors": names[i::2] for i in range(2)}
    for file, part in files.items():
        save_file({name: tensors[name] for name in part}, folder / file, {"format": "pt"})
    index = {
        "metadata": {"total_size": sum(t.nbytes for t in tensors.values())},
        "weight_map": {name: file for file, part in files.items() for name in part},
    }
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def pickled(model: PreTrainedModel, _tensors: dict[str, Tensor], folder: Path) -> None:
    """What older versions saved: every name of a shared parameter, on one storage."""
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")


LAYOUTS = {"single": single, "sharded": sharded, "bin": pickled}


@dataclass
class HuggingFaceReference:
    """The saved folder in float32, eager attention."""

    model: PreTrainedModel

    def encode(self, input_ids: list[int]) -> Tensor:
        """[n, H]"""
        return self.model.get_encoder()(input_ids=torch.tensor([input_ids]))[0][0]

    def next_logits(self, encoded: Tensor, decoder_ids: list[list[int]]) -> Tensor:
        """[sequences, V] after the last token of each"""
        memory = BaseModelOutput(last_hidden_state=encoded.expand(len(decoder_ids), -1, -1))
        ids = torch.tensor(decoder_ids)
        return self.model(encoder_outputs=memory, decoder_input_ids=ids, use_cache=False).logits[:, -1]


def load(spec: HuggingFaceSpec, folder: Path) -> HuggingFaceReference:
    _, model_class = CLASSES[spec.model_type]
    model = model_class.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    return HuggingFaceReference(model.eval().requires_grad_(False))


def perturbed(reference: HuggingFaceReference, seed: int, size: float) -> HuggingFaceReference:
    """The same model with each weight changed by about `size` of itself."""
    generator = torch.Generator().manual_seed(seed)
    model = type(reference.model)(reference.model.config)
    if model.lm_head.weight is not reference.model.lm_head.weight:
        model.lm_head.weight = nn.Parameter(model.lm_head.weight.detach().clone())
    model.load_state_dict(reference.model.state_dict())
    model.generation_config = reference.model.generation_config
    model.set_attn_implementation("eager")
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = tensor.data * (1 + size * torch.randn(tensor.shape, generator=generator))
    return HuggingFaceReference(model.eval().requires_grad_(False))


def generate(reference: HuggingFaceReference, input_ids: list[int], **arguments) -> list[int]:
    """What generate() gives with the model's own settings, without the decoder's start and without padding or end."""
    found = reference.model.generate(torch.tensor([input_ids]), use_cache=False, **arguments)[0].tolist()[1:]
    settings = reference.model.generation_config
    while found and found[-1] in (settings.eos_token_id, settings.pad_token_id):
        found.pop()
    return found


def beam_tokens(reference: HuggingFaceReference, case: Case, end: int) -> list[list[int]]:
    """The same beams by Hugging Face's own search, without its other settings."""
    plain = GenerationConfig(
        num_beams=case.beams.beams,
        num_return_sequences=case.beams.beams,
        length_penalty=case.beams.length_penalty,
        early_stopping=case.beams.early_stopping,
        max_new_tokens=case.max_tokens,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=case.prompt[0],
        use_cache=False,
    )
    model = reference.model
    kept, model.generation_config = model.generation_config, plain
    ids = torch.tensor([case.prompt])
    rows = model.generate(torch.tensor([case.input_ids]), decoder_input_ids=ids, generation_config=plain).tolist()
    model.generation_config = kept
    return [cut(row[len(case.prompt) :], end) for row in rows]


def cut(tokens: list[int], end: int) -> list[int]:
    return tokens[: tokens.index(end)] if end in tokens else tokens
