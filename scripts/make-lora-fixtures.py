#!/usr/bin/env python3
"""Makes test/fixtures/lora/: files of NumPy and torch that the tests read, and compare what they write with.

    python scripts/make-lora-fixtures.py [--out test/fixtures/lora]

Element i of every array is (i mod 11) / 4 - 1, in int32 files i. bfloat16 is stored as NumPy's raw two bytes, as
TensorRT-LLM's tools do.

    float32.npy float16.npy bfloat16.npy   [1, 3, 20]
    int32.npy                              [1, 3, 4]
    vector.npy                             [123] float32
    version2.npy fortran.npy big-endian.npy object.npy   float32 [1, 3, 20] (object: [1]) in forms that few tools write
    bin/                                   a PEFT folder whose weights are adapter_model.bin: T5, decoder layer 0, q,
                                           rank 2, A [2, 12], B [16, 2]
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
NAME = "decoder.block.0.layer.0.SelfAttention.q"


def values(*shape: int) -> np.ndarray:
    return ((np.arange(np.prod(shape)) % 11) / 4 - 1).astype(np.float32).reshape(shape)


def bfloat16(array: np.ndarray) -> np.ndarray:
    return torch.from_numpy(array).to(torch.bfloat16).view(torch.int16).numpy().view(np.dtype("V2"))


def write_arrays(out: Path) -> None:
    array = values(1, 3, 20)
    np.save(out / "float32.npy", array)
    np.save(out / "float16.npy", array.astype(np.float16))
    np.save(out / "bfloat16.npy", bfloat16(array))
    np.save(out / "int32.npy", np.arange(12, dtype=np.int32).reshape(1, 3, 4))
    np.save(out / "vector.npy", values(123))
    with (out / "version2.npy").open("wb") as file:
        np.lib.format.write_array(file, array, version=(2, 0))
    np.save(out / "fortran.npy", np.asfortranarray(array))
    np.save(out / "big-endian.npy", array.astype(">f4"))
    np.save(out / "object.npy", np.array([None], dtype=object))


def write_pickled_adapter(out: Path) -> None:
    out.mkdir(exist_ok=True)
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 6, "target_modules": [NAME]}
    (out / "adapter_config.json").write_text(json.dumps(config) + "\n")
    prefix = f"base_model.model.{NAME}.lora_"
    tensors = {f"{prefix}A.weight": values(2, 12), f"{prefix}B.weight": values(16, 2)}
    torch.save({name: torch.from_numpy(array) for name, array in tensors.items()}, out / "adapter_model.bin")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "test/fixtures/lora")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    write_arrays(out)
    write_pickled_adapter(out / "bin")


if __name__ == "__main__":
    main()
