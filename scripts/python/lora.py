"""PEFT (LoRA) adapter folders: written so that the same weights give the same bytes, loaded and merged in float32."""

import json
import warnings
from pathlib import Path
from typing import TypeVar

import torch
from peft import PeftModel
from transformers import PreTrainedModel

Model = TypeVar("Model", bound=PreTrainedModel)


def save_adapter(model: PeftModel, folder: Path, base_name: str) -> None:
    """adapter_config.json and adapter_model.safetensors; `base_name` is what the configuration names as base model."""
    model.save_pretrained(str(folder), save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's empty model card
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text()) | {"base_model_name_or_path": base_name}
    if isinstance(config["target_modules"], list):  # a set inside PEFT: its order changes from run to run
        config["target_modules"].sort()
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def round_adapter(model: PeftModel, dtype: torch.dtype) -> None:
    """Stores the trained weights in `dtype`; only good for saving afterwards."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(dtype)


def merged(base: Model, folder: Path) -> Model:
    """`base` with the adapter's products added to its weights. `base` itself is changed."""
    with warnings.catch_warnings():  # a head that was always apart from the embedding stays so
        warnings.filterwarnings("ignore", message="Input and output embeddings are no longer tied")
        model = PeftModel.from_pretrained(base, str(folder)).merge_and_unload()
    return model.eval().requires_grad_(False)
