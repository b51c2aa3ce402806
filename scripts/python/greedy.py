"""Decoding of many inputs with a Hugging Face T5. Greedy is written out: no cache, no settings that could change it."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from transformers import T5ForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

PAD, EOS = 0, 1


@torch.no_grad()
def greedy_batch(model: T5ForConditionalGeneration, input_ids: Tensor, prompt: Tensor, max_tokens: int) -> Tensor:
    """input_ids [n, s] padded with PAD, prompt [n, m] -> generated ids [n, <= max_tokens], PAD after EOS."""
    mask = (input_ids != PAD).long()
    encoded = BaseModelOutput(last_hidden_state=model.encoder(input_ids=input_ids, attention_mask=mask)[0])
    decoded, done = prompt, torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
    for _ in range(max_tokens):
        logits = model(encoder_outputs=encoded, attention_mask=mask, decoder_input_ids=decoded, use_cache=False).logits
        token = logits[:, -1].argmax(-1).masked_fill(done, PAD)
        decoded = torch.cat([decoded, token[:, None]], dim=1)
        done |= token == EOS
        if bool(done.all()):
            break
    return decoded[:, prompt.shape[1] :]


@torch.no_grad()
def greedy_alone(
    model: T5ForConditionalGeneration, input_ids: Sequence[int], max_tokens: int
) -> tuple[list[int], float]:
    """Generated ids of one input, without EOS, and the smallest gap between the two best logits of any step, as a share
    of the row's largest."""
    encoded = BaseModelOutput(last_hidden_state=model.encoder(input_ids=torch.tensor([input_ids]))[0])
    decoded, smallest = [PAD], float("inf")
    while len(decoded) <= max_tokens and EOS not in decoded:
        ids = torch.tensor([decoded])
        logits = model(encoder_outputs=encoded, decoder_input_ids=ids, use_cache=False).logits[0, -1]
        best = logits.topk(2).values
        smallest = min(smallest, float((best[0] - best[1]) / logits.abs().max()))
        decoded.append(int(logits.argmax()))
    return until_eos(decoded[1:]), smallest


@torch.no_grad()
def beam_batch(
    model: T5ForConditionalGeneration, input_ids: Tensor, prompt: Tensor, max_tokens: int, beams: int, penalty: float
) -> Tensor:
    """As greedy_batch, with generate()'s beam search: it ends when `beams` hypotheses have."""
    generated = model.generate(
        input_ids,
        attention_mask=(input_ids != PAD).long(),
        decoder_input_ids=prompt,
        max_new_tokens=max_tokens,
        num_beams=beams,
        length_penalty=penalty,
        early_stopping=True,
        eos_token_id=EOS,
        pad_token_id=PAD,
    )
    return generated[:, prompt.shape[1] :]


def decode_all(
    model: T5ForConditionalGeneration,
    inputs: Sequence[Sequence[int]],
    max_tokens: int,
    batch_size: int,
    beams: int = 1,
    penalty: float = 0.0,
) -> list[list[int]]:
    """Generated ids of each input, without EOS; inputs of like length share a batch, the order is kept."""
    decode: Callable[..., Tensor] = greedy_batch if beams == 1 else partial(beam_batch, beams=beams, penalty=penalty)
    device = model.shared.weight.device
    results: list[list[int]] = [[] for _ in inputs]
    order = sorted(range(len(inputs)), key=lambda index: len(inputs[index]))
    for start in range(0, len(order), batch_size):
        chunk = order[start : start + batch_size]
        ids = pad_rows([inputs[index] for index in chunk]).to(device)
        start_tokens = torch.full((len(chunk), 1), PAD, device=device)
        for index, row in zip(chunk, decode(model, ids, start_tokens, max_tokens).tolist(), strict=True):
            results[index] = until_eos(row)
    return results


def pad_rows(rows: Sequence[Sequence[int]]) -> Tensor:
    """Rows of ids -> [n, longest], padded with PAD on the right."""
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=PAD)


def until_eos(row: list[int]) -> list[int]:
    return row[: row.index(EOS)] if EOS in row else row
