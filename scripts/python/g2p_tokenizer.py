"""The sample model's tokenizer: a fixed vocabulary of single characters, task tokens and phonemes.

Written as a byte-pair model without merges: every character is its own token, and, unlike with a word-level model, both
the Python and the JavaScript library then map what they do not know to <unk> without a second configuration file.
"""

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

from g2p_data import IPA_SYMBOLS, LETTERS, arpabet_tokens, phoneme_tokens

SPECIAL_TOKENS = ("<pad>", "</s>", "<unk>", "<ipa>", "<spell>")
PAD, EOS = 0, 1


def vocabulary() -> list[str]:
    """Token strings by id: special tokens, letters, IPA symbols, phonemes."""
    return [*SPECIAL_TOKENS, *LETTERS, *IPA_SYMBOLS, *phoneme_tokens(tuple(arpabet_tokens()))]


def build_tokenizer() -> Tokenizer:
    vocab = {token: index for index, token in enumerate(vocabulary())}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[], unk_token="<unk>"))
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    tokenizer.normalizer = word_normalizer()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", EOS)])
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    return tokenizer


def word_normalizer() -> normalizers.Normalizer:
    """Trimmed, lower case, accents dropped (café -> cafe), the typographic apostrophe as the plain one."""
    return normalizers.Sequence(
        [
            normalizers.Strip(),
            normalizers.NFD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
            normalizers.NFC(),
            normalizers.Replace("’", "'"),
        ]
    )
