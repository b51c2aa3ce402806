"""Phoneme and word error rate of pronunciations, for words that may have several right answers.

The rule, mirrored by the TypeScript evaluation:
- A word is right if the output equals any of its listed variants; WER = wrong words / words.
- For PER each word is compared with its nearest variant: the one with the smallest edit distance (insertion, deletion,
  substitution cost 1 each); among equals the first listed. PER = sum of those distances / sum of their lengths.
- Without stress: the digits are removed from output and variants before comparing (variants are not merged afterwards).
- Single reference: the same figures with only the first listed variant.
"""

from collections.abc import Sequence

Phonemes = Sequence[str]


def edit_distance(left: Phonemes, right: Phonemes) -> int:
    """Levenshtein distance in phonemes."""
    previous = list(range(len(right) + 1))
    for row, symbol in enumerate(left, 1):
        current = [row]
        for column, other in enumerate(right, 1):
            replaced = previous[column - 1] + (symbol != other)
            current.append(min(replaced, previous[column] + 1, current[-1] + 1))
        previous = current
    return previous[-1]


def strip_stress(phonemes: Phonemes) -> tuple[str, ...]:
    return tuple(phoneme.rstrip("012") for phoneme in phonemes)


def nearest(output: Phonemes, variants: Sequence[Phonemes]) -> tuple[int, int]:
    """(edit distance, length) of the nearest variant; ties go to the first."""
    distances = [edit_distance(output, variant) for variant in variants]
    best = distances.index(min(distances))
    return distances[best], len(variants[best])


def error_rates(outputs: Sequence[Phonemes], references: Sequence[Sequence[Phonemes]]) -> tuple[float, float]:
    """(PER, WER) in percent over aligned lists of outputs and their variants."""
    pairs = [nearest(output, variants) for output, variants in zip(outputs, references, strict=True)]
    wrong = sum(distance > 0 for distance, _ in pairs)
    errors, length = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
    return 100 * errors / length, 100 * wrong / len(pairs)


def score(outputs: Sequence[Phonemes], references: Sequence[Sequence[Phonemes]]) -> dict[str, float]:
    """All figures of a test run under the names that `eval:sample --json` prints."""
    plain_outputs = [strip_stress(output) for output in outputs]
    plain_references = [[strip_stress(variant) for variant in variants] for variants in references]
    per, wer = error_rates(plain_outputs, plain_references)
    per_stressed, wer_stressed = error_rates(outputs, references)
    return {"words": len(outputs), "per": per, "wer": wer, "perStressed": per_stressed, "werStressed": wer_stressed}


def single_reference(references: Sequence[Sequence[Phonemes]]) -> list[list[Phonemes]]:
    """Only the first listed variant of each word."""
    return [[variants[0]] for variants in references]
