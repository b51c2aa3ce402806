"""ONNX files of a Hugging Face folder where Transformers.js looks for them: float32, and with dynamic INT8.

Runs with the packages of onnx-requirements.txt before the others: the exporter needs an older transformers.

usage: export_onnx.py FOLDER NAME...
"""

import shutil
import sys
from pathlib import Path

from onnxruntime.quantization import QuantType, quantize_dynamic
from optimum.exporters.onnx import main_export


def export(model: Path) -> None:
    target = model / "transformers-js"
    target.mkdir()
    raw = model / "onnx-export"
    main_export(str(model / "hf"), raw, task="text2text-generation-with-past", do_validation=False)
    (target / "onnx").mkdir()
    for name in ("encoder_model", "decoder_model_merged"):
        shutil.move(raw / f"{name}.onnx", target / "onnx" / f"{name}.onnx")
        quantize_dynamic(
            target / "onnx" / f"{name}.onnx",
            target / "onnx" / f"{name}_quantized.onnx",
            weight_type=QuantType.QInt8,
            extra_options={"EnableSubgraph": True, "MatMulConstBOnly": True},
        )
    for name in ("config.json", "generation_config.json"):
        shutil.copy(model / "hf" / name, target / name)
    shutil.rmtree(raw)


for argument in sys.argv[2:]:
    export(Path(sys.argv[1]) / argument)
