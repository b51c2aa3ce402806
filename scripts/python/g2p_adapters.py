"""The adapters of the sample model: what each learns, from which examples, and how it is scored.

`ipa` reads a word and writes IPA; `spell` reads IPA and writes the word. Neither needs a task token: the adapter says
what to do. IPA is made from the dictionary's ARPAbet by the table in g2p_data.py (`to_ipa`): one mark per stressed
vowel, directly before it, and no other separators, so every IPA character is one token of the vocabulary.

Splits are those of the words (g2p_data.py). For `spell` an item is a pronunciation, not a word, so a dev or test
pronunciation that some train word shares was seen in training: such items are left out.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from g2p_data import Example, Lexicon, lexicon_split, shuffled, to_ipa
from scoring import error_rates, single_reference

STRESS_MARKS = str.maketrans("", "", "ˈˌ")
ATTENTION = ("q", "k", "v", "o")
FEED_FORWARD = ("wi_0", "wi_1", "wo")
Answers = TypeVar("Answers")
Items = dict[str, list[str]]  # input text -> its right answers, the first one listed first


@dataclass(frozen=True)
class Task:
    """`targets` is PEFT's target_modules: names, or one pattern for a module's full name."""

    rank: int
    targets: list[str] | str
    examples: Callable[[Lexicon], Iterable[Example]]
    items: Callable[[str], Items]


def ipa_examples(lexicon: Lexicon) -> Iterable[Example]:
    """One group per word."""
    for group, (word, variants) in enumerate(lexicon.items()):
        for phonemes in variants:
            yield Example(word, to_ipa(phonemes), group)


def spell_examples(lexicon: Lexicon) -> Iterable[Example]:
    """One group per pronunciation; an epoch draws one of the words that share it."""
    for group, (ipa, words) in enumerate(words_by_ipa(lexicon).items()):
        for word in words:
            yield Example(ipa, word, group)


def words_by_ipa(lexicon: Lexicon) -> Items:
    """Every listed pronunciation -> the words that have it, in dictionary order."""
    words: Items = defaultdict(list)
    for word, variants in lexicon.items():
        for ipa in dict.fromkeys(map(to_ipa, variants)):
            words[ipa].append(word)
    return dict(words)


def ipa_items(split: str) -> Items:
    return {word: [to_ipa(variant) for variant in variants] for word, variants in lexicon_split(split).items()}


def spell_items(split: str) -> Items:
    """First pronunciations of the split's words that no train word has -> the split's words that have them."""
    lexicon, heard = lexicon_split(split), words_by_ipa(lexicon_split("train"))
    words = words_by_ipa(lexicon)
    first = dict.fromkeys(to_ipa(variants[0]) for variants in lexicon.values())
    return {ipa: words[ipa] for ipa in first if ipa not in heard}


TASKS = {
    "ipa": Task(16, rf"decoder\..*\.({'|'.join(ATTENTION + FEED_FORWARD)})", ipa_examples, ipa_items),
    "spell": Task(12, [*ATTENTION, *FEED_FORWARD], spell_examples, spell_items),
}


def sample(items: dict[str, Answers], count: int | None) -> dict[str, Answers]:
    """A fixed random sample of `count` items, or all."""
    return {text: items[text] for text in shuffled(list(items), seed=0)[:count]}


def score_texts(outputs: Sequence[str], answers: Sequence[Sequence[str]]) -> dict[str, float]:
    """Percent of symbols and of words that are wrong: against the nearest answer, without stress marks, first only."""
    symbols, words = error_rates(outputs, answers)
    plain = [[answer.translate(STRESS_MARKS) for answer in listed] for listed in answers]
    plain_symbols, plain_words = error_rates([output.translate(STRESS_MARKS) for output in outputs], plain)
    first_symbols, first_words = error_rates(outputs, single_reference(answers))
    return {
        "items": len(outputs),
        "symbols": symbols,
        "words": words,
        "symbolsUnstressed": plain_symbols,
        "wordsUnstressed": plain_words,
        "symbolsFirst": first_symbols,
        "wordsFirst": first_words,
    }
