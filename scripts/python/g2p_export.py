"""Writes the delivered files of the sample model: checkpoint folders, tokenizer, licence notice, list of test words."""

import gzip
from collections.abc import Iterable
from pathlib import Path

from transformers import T5ForConditionalGeneration

from checkpoint import write_checkpoint
from g2p_data import Lexicon, dictionary_file, lexicon_split
from g2p_tokenizer import build_tokenizer


def export_sample(model: T5ForConditionalGeneration, folder: Path, test_list: Path) -> None:
    write_checkpoint(model, folder, "bfloat16")
    build_tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "LICENSE-CMUDICT").write_text(dictionary_file("LICENSE"))
    write_lines(test_list, test_lines(lexicon_split("test")))


def test_lines(lexicon: Lexicon) -> Iterable[str]:
    """word TAB variant TAB variant ..., phonemes separated by spaces, variants in dictionary order."""
    return ("\t".join([word, *(" ".join(variant) for variant in variants)]) for word, variants in lexicon.items())


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """A gzip file that is the same bytes every time (no date, no name inside)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(line + "\n" for line in lines).encode(), compresslevel=9, mtime=0))


def read_test_list(path: Path) -> dict[str, list[list[str]]]:
    """Word -> its variants, from a file of `test_lines`."""
    rows = (line.split("\t") for line in gzip.decompress(path.read_bytes()).decode().splitlines())
    return {word: [variant.split() for variant in variants] for word, *variants in rows}
