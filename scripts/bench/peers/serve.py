"""The conversation with the orchestrator: one JSON object a line in, one out."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]


def serve_lines(prepare: Callable[[Json], Any], generate: Callable[[Any, Json, Json], int]) -> None:
    """`prepare(setting)` is not timed; `generate(prepared, workload, setting)` gives the number of tokens."""
    for line in sys.stdin:
        command = json.loads(line)
        setting, workload = command["setting"], command["workload"]
        try:
            prepared = prepare(setting)
            started = time.perf_counter()
            tokens = generate(prepared, workload, setting)
            reply: Json = {"seconds": time.perf_counter() - started, "tokens": tokens}
        except Exception as error:  # the orchestrator decides
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


def batches(requests: list[Json], size: int) -> list[list[Json]]:
    """Of inputs of similar length: less padding."""
    ordered = sorted(requests, key=lambda request: len(request["input"]))
    return [ordered[i : i + size] for i in range(0, len(ordered), size)]
