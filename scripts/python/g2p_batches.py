"""Training examples as device tensors, drawn epoch by epoch in batches of a few fixed shapes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from g2p_data import Example, Lexicon, auxiliary_examples, pronounce_examples
from g2p_tokenizer import EOS, PAD, vocabulary

# Longest source or target (with its end token) -> examples in a batch. Fixed shapes, so each can be a CUDA graph.
BATCH_SIZES = {10: 1024, 16: 1024, 40: 128}
LONGEST = max(BATCH_SIZES)
AUXILIARY_SHARE = 0.1


@dataclass(frozen=True)
class ExampleTable:
    """All examples, sorted by group; an epoch draws one example of each chosen group. There may be no side tasks."""

    source: Tensor  # [n, LONGEST] int64, PAD after the end token
    target: Tensor  # [n, LONGEST] int64, PAD after the end token
    length: np.ndarray  # [n] the longer of source and target, end token included
    first: np.ndarray  # [groups] the row where a group begins
    count: np.ndarray  # [groups] how many rows it has
    main_groups: int  # the first groups are the main task, the others the side tasks

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Rows of one epoch: every word once, and side tasks so that they make up AUXILIARY_SHARE."""
        wanted = round(self.main_groups * AUXILIARY_SHARE / (1 - AUXILIARY_SHARE))
        side_count = min(wanted, len(self.first) - self.main_groups)
        side = rng.choice(np.arange(self.main_groups, len(self.first)), side_count, replace=False)
        groups = np.concatenate([np.arange(self.main_groups), side])
        return self.first[groups] + (rng.random(len(groups)) * self.count[groups]).astype(np.int64)

    def epoch(self, rng: np.random.Generator) -> Iterator[tuple[int, Tensor]]:
        """(shape, rows [BATCH_SIZES[shape]]) in random order; what does not fill a batch waits for another epoch."""
        rows = self.draw(rng)
        batches = [batch for shape in BATCH_SIZES for batch in self.batches_of(shape, rows, rng)]
        for index in rng.permutation(len(batches)):
            yield batches[index]

    def batches_of(self, shape: int, rows: np.ndarray, rng: np.random.Generator) -> list[tuple[int, Tensor]]:
        shorter = max((other for other in BATCH_SIZES if other < shape), default=0)
        fitting = rows[(self.length[rows] <= shape) & (self.length[rows] > shorter)]
        size = BATCH_SIZES[shape]
        mixed = torch.from_numpy(rng.permutation(fitting)).to(self.source.device)
        return [(shape, mixed[start : start + size]) for start in range(0, len(mixed) - size + 1, size)]


def build_table(lexicon: Lexicon, device: torch.device) -> ExampleTable:
    """The sample model's own training: the main task and the side tasks."""
    examples = [*pronounce_examples(lexicon), *auxiliary_examples(lexicon, len(lexicon))]
    return table_of(examples, len(lexicon), device)


def table_of(examples: Sequence[Example], first_side_group: int, device: torch.device) -> ExampleTable:
    """Examples that are too long are left out; groups from `first_side_group` on are side tasks."""
    examples = sorted((item for item in examples if longest(item) <= LONGEST), key=lambda item: item.group)
    groups = np.array([example.group for example in examples])
    names, first, count = np.unique(groups, return_index=True, return_counts=True)
    return ExampleTable(
        source=padded_ids([example.source for example in examples]).to(device),
        target=padded_ids([example.target for example in examples]).to(device),
        length=np.array([longest(example) for example in examples]),
        first=first,
        count=count,
        main_groups=int((names < first_side_group).sum()),
    )


def longest(example: Example) -> int:
    return max(len(example.source), len(example.target)) + 1


def padded_ids(rows: Sequence[Sequence[str]]) -> Tensor:
    """Token strings -> ids [n, LONGEST], each row closed by the end token."""
    ids = {token: index for index, token in enumerate(vocabulary())}
    table = np.full((len(rows), LONGEST), PAD, dtype=np.int64)
    for index, row in enumerate(rows):
        table[index, : len(row) + 1] = [*(ids[token] for token in row), EOS]
    return torch.from_numpy(table)
