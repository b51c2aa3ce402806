"""Contender: CTranslate2. Arguments: model folder, compute type.

With outputs of several lengths in a batch, a callback ends each row at its length, and finished rows leave the batch.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ctranslate2
from serve import Json, batches, serve_lines

folder, compute_type = sys.argv[1:]
loaded: tuple[Any, ctranslate2.Translator] | None = None


def prepare(setting: Json) -> ctranslate2.Translator:
    global loaded
    key = (setting["workers"], setting["threads"])
    if loaded is None or loaded[0] != key:
        loaded = None
        translator = ctranslate2.Translator(
            folder,
            device="cpu",
            compute_type=compute_type,
            inter_threads=setting["workers"],
            intra_threads=setting["threads"],
        )
        loaded = (key, translator)
    return loaded[1]


def run_batch(translator: ctranslate2.Translator, requests: list[Json], beams: int) -> int:
    lengths = [request["maxTokens"] for request in requests]
    ends_rows = min(lengths) != max(lengths)
    results = translator.translate_batch(
        [[f"t{token}" for token in request["input"]] for request in requests],
        beam_size=beams,
        min_decoding_length=max(lengths),
        max_decoding_length=max(lengths),
        callback=(lambda step: step.step + 1 >= lengths[step.batch_id]) if ends_rows else None,
    )
    return sum(len(result.hypotheses[0]) for result in results)


def generate(translator: ctranslate2.Translator, workload: Json, setting: Json) -> int:
    waiting = batches(workload["requests"], setting["batchSize"])
    with ThreadPoolExecutor(setting["workers"]) as pool:
        return sum(pool.map(lambda batch: run_batch(translator, batch, workload["beamWidth"]), waiting))


serve_lines(prepare, generate)
