"""The training loop of the sample model and its adapters: mixed precision, CUDA graphs, moving average, saved state.

Only the parameters that ask for a gradient are trained and averaged: with adapters the base model stays as it is.
"""

import copy
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import T5ForConditionalGeneration

from g2p_batches import ExampleTable

MASKED = -1e9  # added to the attention score of what must not be seen
SHARD_BYTES = 15 << 20
EXPECTED_TOKENS = 1024 * 8  # one constant for every batch: a token weighs the same in a small batch as in a large one


@dataclass(frozen=True)
class Plan:
    """What stays fixed over all runs of one training."""

    total_minutes: float  # the learning rate falls along a cosine to zero over this training time
    peak_rate: float = 1e-3
    warmup_steps: int = 500
    weight_decay: float = 0.05
    smoothing: float = 0.1  # label smoothing
    distill: float = 0.0  # weight of the teachers' distribution in the loss
    decay: float = 0.9995  # of the moving average
    seed: int = 1


@dataclass
class Progress:
    step: int = 0
    epoch: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


class Trainer:
    """Owns model, moving average and optimizer; `run` trains until a time limit or the plan's end."""

    def __init__(
        self,
        model: T5ForConditionalGeneration,
        table: ExampleTable,
        plan: Plan,
        teachers: Sequence[T5ForConditionalGeneration] = (),
    ):
        torch.manual_seed(plan.seed)
        self.model, self.table, self.plan, self.teachers = model.train(), table, plan, teachers
        self.average = copy.deepcopy(model).eval().requires_grad_(False)
        pairs = list(zip(self.average.parameters(), model.parameters(), strict=True))
        self.learned = [current for _, current in pairs if current.requires_grad]
        self.averaged = [average for average, current in pairs if current.requires_grad]
        self.progress = Progress()
        self.device = table.source.device
        self.rate = torch.zeros((), device=self.device)
        self.optimizer = torch.optim.AdamW(
            self.parameter_groups(), lr=self.rate, betas=(0.9, 0.98), fused=True, capturable=self.device.type == "cuda"
        )
        self.graphs: dict[int, tuple[torch.cuda.CUDAGraph, Tensor]] = {}
        self.loss = torch.zeros((), device=self.device)

    def parameter_groups(self) -> list[dict]:
        """Matrices decay; norm weights and position tables do not."""
        named = [(name, tensor) for name, tensor in self.model.named_parameters() if tensor.requires_grad]
        plain = [tensor for name, tensor in named if tensor.ndim < 2 or "relative_attention" in name]
        decayed = [tensor for name, tensor in named if tensor.ndim >= 2 and "relative_attention" not in name]
        return [{"params": decayed, "weight_decay": self.plan.weight_decay}, {"params": plain, "weight_decay": 0.0}]

    def run(self, minutes: float, on_report: Callable[[T5ForConditionalGeneration], dict], report_every: float) -> None:
        """Trains for at most `minutes`; calls `on_report` with the moving average every `report_every` seconds."""
        start, before = time.monotonic(), self.progress.seconds
        next_report = before + report_every
        while self.progress.seconds < self.plan.total_minutes * 60 and self.progress.seconds - before < minutes * 60:
            rng = np.random.default_rng((self.plan.seed, self.progress.epoch))
            for shape, rows in self.table.epoch(rng):
                self.train_step(shape, rows)
                self.progress.seconds = before + time.monotonic() - start
            self.progress.epoch += 1
            if self.progress.seconds >= next_report:
                next_report += report_every
                self.report(on_report)
        self.report(on_report)

    def report(self, on_report: Callable[[T5ForConditionalGeneration], dict]) -> None:
        state = {"step": self.progress.step, "epoch": self.progress.epoch, "seconds": round(self.progress.seconds, 1)}
        entry = {**state, "loss": round(float(self.loss), 4), **on_report(self.average)}
        self.progress.history.append(entry)
        print(json.dumps(entry), flush=True)

    def train_step(self, shape: int, rows: Tensor) -> None:
        self.rate.fill_(self.rate_now())
        self.progress.step += 1
        if self.device.type != "cuda":
            self.update(shape, rows)
        elif shape in self.graphs:
            graph, static_rows = self.graphs[shape]
            static_rows.copy_(rows)
            graph.replay()
        else:
            self.graphs[shape] = self.capture(shape, rows)

    def rate_now(self) -> float:
        done = min(1.0, self.progress.seconds / (self.plan.total_minutes * 60))
        warm = min(1.0, (self.progress.step + 1) / self.plan.warmup_steps)
        return self.plan.peak_rate * warm * 0.5 * (1 + math.cos(math.pi * done))

    def capture(self, shape: int, rows: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        """Three ordinary steps on a side stream, then one recorded step: what CUDA graphs ask for."""
        static_rows, stream = rows.clone(), torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.update(shape, static_rows)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.update(shape, static_rows)
        return graph, static_rows

    def update(self, shape: int, rows: Tensor) -> None:
        """One optimizer step on rows [batch] of the table, cut to `shape` columns."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.batch_loss(self.table.source[rows, :shape], self.table.target[rows, :shape])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.learned, 1.0)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.averaged, self.learned, 1 - self.plan.decay)
            self.loss.copy_(loss.detach())

    def batch_loss(self, source: Tensor, target: Tensor) -> Tensor:
        """source, target [n, s] -> summed loss over a constant (EXPECTED_TOKENS)."""
        log_probs = forward(self.model, source, target).float().log_softmax(-1)
        hard = -log_probs.gather(-1, target[..., None])[..., 0]
        loss = (1 - self.plan.smoothing) * hard - self.plan.smoothing * log_probs.mean(-1)
        if self.teachers:
            soft = -(self.teacher_probs(source, target) * log_probs).sum(-1)
            loss = (1 - self.plan.distill) * loss + self.plan.distill * soft
        return (loss * (target != 0)).sum() / EXPECTED_TOKENS

    @torch.no_grad()
    def teacher_probs(self, source: Tensor, target: Tensor) -> Tensor:
        """The teachers' mean distribution [n, s, vocabulary]."""
        return torch.stack([forward(teacher, source, target).float().softmax(-1) for teacher in self.teachers]).mean(0)

    def save(self, folder: Path) -> None:
        """progress.json, average.safetensors (BF16) and resume-*.safetensors (weights FP32, moments BF16)."""
        folder.mkdir(parents=True, exist_ok=True)
        facts = {"plan": asdict(self.plan), "progress": asdict(self.progress)}
        (folder / "progress.json").write_text(json.dumps(facts, indent=1))
        self.model.config.to_json_file(folder / "config.json")
        save_file(named_bf16(self.average), folder / "average.safetensors")
        for index, shard in enumerate(shards(self.resume_tensors())):
            save_file(shard, folder / f"resume-{index}.safetensors")

    def resume_tensors(self) -> dict[str, Tensor]:
        tensors = {f"weight.{name}": tensor.detach().cpu() for name, tensor in self.model.named_parameters()}
        for name, parameter in self.model.named_parameters():
            state = self.optimizer.state[parameter]
            tensors[f"m.{name}"] = state["exp_avg"].bfloat16().cpu()
            tensors[f"v.{name}"] = state["exp_avg_sq"].bfloat16().cpu()
        return tensors

    def restore(self, folder: Path) -> None:
        """Continues where `save` stopped; the average and the moments come back from BF16."""
        facts = json.loads((folder / "progress.json").read_text())
        self.progress = Progress(**facts["progress"])
        saved = {key: value for path in folder.glob("resume-*.safetensors") for key, value in load_file(path).items()}
        load_weights(self.average, load_file(folder / "average.safetensors"))
        load_weights(self.model, {key[7:]: value for key, value in saved.items() if key.startswith("weight.")})
        for name, parameter in self.model.named_parameters():
            self.optimizer.state[parameter] = {
                "step": torch.tensor(float(self.progress.step), device=self.device),
                "exp_avg": saved[f"m.{name}"].float().to(self.device),
                "exp_avg_sq": saved[f"v.{name}"].float().to(self.device),
            }


def forward(model: T5ForConditionalGeneration, source: Tensor, target: Tensor) -> Tensor:
    """Logits [n, t, vocabulary] for target [n, t] given source [n, s]; masks are built here to stay capturable."""
    columns = target.shape[1]
    causal = torch.full((columns, columns), MASKED, device=source.device).triu(1)[None, None]
    padding = torch.zeros(source.shape, device=source.device).masked_fill(source == 0, MASKED)[:, None, None]
    shifted = torch.nn.functional.pad(target[:, :-1], (1, 0))
    with torch.autocast(source.device.type, dtype=torch.bfloat16):
        return model(
            input_ids=source,
            attention_mask=padding,
            decoder_input_ids=shifted,
            decoder_attention_mask=causal,
            use_cache=False,
        ).logits


def named_bf16(model: T5ForConditionalGeneration) -> dict[str, Tensor]:
    return {name: tensor.detach().bfloat16().cpu().contiguous() for name, tensor in model.named_parameters()}


@torch.no_grad()
def load_weights(model: T5ForConditionalGeneration, tensors: dict[str, Tensor]) -> None:
    for name, parameter in model.named_parameters():
        parameter.copy_(tensors[name])


def shards(tensors: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """Groups of tensors of at most SHARD_BYTES."""
    groups: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        if groups[-1] and size + tensor.nbytes > SHARD_BYTES:
            groups.append({})
            size = 0
        groups[-1][name] = tensor.contiguous()
        size += tensor.nbytes
    return groups
