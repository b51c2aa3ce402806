"""Contender: Hugging Face transformers on torch. Arguments: model folder, dtype."""

import sys
from typing import Any

import torch
from serve import Json, batches, serve_lines
from transformers import AutoModelForSeq2SeqLM, PreTrainedModel

folder, dtype = sys.argv[1:]
model = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()


def prepare(setting: Json) -> PreTrainedModel:
    torch.set_num_threads(setting["threads"])
    return model


@torch.inference_mode()
def run_batch(requests: list[Json], beams: int) -> int:
    """One padded batch, as long as its longest output."""
    width = max(len(request["input"]) for request in requests)
    length = max(request["maxTokens"] for request in requests)
    ids = torch.zeros(len(requests), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, request in enumerate(requests):
        ids[row, : len(request["input"])] = torch.tensor(request["input"])
        mask[row, : len(request["input"])] = 1
    output = model.generate(
        ids, attention_mask=mask, min_new_tokens=length, max_new_tokens=length, num_beams=beams, do_sample=False
    )
    generated = output.shape[1] - 1
    return sum(min(request["maxTokens"], generated) for request in requests)


def generate(_: Any, workload: Json, setting: Json) -> int:
    return sum(run_batch(batch, workload["beamWidth"]) for batch in batches(workload["requests"], setting["batchSize"]))


serve_lines(prepare, generate)
