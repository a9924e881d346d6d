"""Peer: JoeyNMT's Transformer, by its own builder, loss and batches. It needs an environment of its own."""

from types import SimpleNamespace
from typing import Any

import torch
from joeynmt.batch import Batch
from joeynmt.model import build_model
from joeynmt.search import search
from joeynmt.vocabulary import Vocabulary
from torch import Tensor, nn

PAD, BEGIN, END = 0, 1, 2  # of the tokenizer that all share
UNKNOWN = 3  # JoeyNMT wants an id for it; our tokenizer gives that id to a token of its own
SPECIAL = SimpleNamespace(
    unk_token="<unk>", pad_token="<pad>", bos_token="<s>", eos_token="</s>", sep_token=None, lang_tags=[],
    unk_id=UNKNOWN, pad_id=PAD, bos_id=BEGIN, eos_id=END, sep_id=None,
)  # fmt: skip


def build(size: dict[str, Any], vocabulary: int) -> nn.Module:
    """The model with random weights: pre-norm, tied embeddings, as in its own Transformer configurations."""
    words = Vocabulary.__new__(Vocabulary)  # its constructor looks each token up in a list: minutes for 8,000
    names = ["<pad>", "<s>", "</s>", "<unk>", *(f"t{number}" for number in range(4, vocabulary))]
    words.__dict__.update(
        specials=["<unk>", "<pad>", "<s>", "</s>"],
        lang_tags=[],
        _itos=names,
        _stoi={name: number for number, name in enumerate(names)},
        pad_index=PAD,
        bos_index=BEGIN,
        eos_index=END,
        unk_index=UNKNOWN,
        sep_index=None,
    )
    side = {
        "type": "transformer",
        "num_heads": size["heads"],
        "embeddings": {"embedding_dim": size["d_model"], "scale": True, "dropout": size["dropout"]},
        "hidden_size": size["d_model"],
        "ff_size": size["feed_forward"],
        "dropout": size["dropout"],
        "layer_norm": "pre",
        "activation": size["activation"],
    }
    config = {
        "initializer": "xavier_uniform",
        "embed_initializer": "xavier_uniform",
        "tied_embeddings": True,
        "tied_softmax": True,
        "encoder": {**side, "num_layers": size["encoder_layers"]},
        "decoder": {**side, "num_layers": size["decoder_layers"]},
    }
    model = build_model(config, words, words)
    model.loss_function = ("crossentropy", 0.1)
    return model


def loss(model: nn.Module, source: Tensor, target: Tensor, smoothing: float) -> Tensor:
    batch = joined(source, target)
    total, _, _, correct = model(return_type="loss", **vars(batch))
    correct.item()  # its training loop counts the tokens that were right
    return batch.normalize(total, "tokens")


def translate(model: nn.Module, source: Tensor, beam: int, limit: int) -> list[list[int]]:
    """Token ids of the best translation of each row, without begin and end."""
    batch = joined(source, None)
    with torch.inference_mode():
        rows, _, _ = search(model, batch, limit, beam, 1.0 if beam > 1 else -1, n_best=1)
    return [[int(token) for token in cut(list(row))] for row in rows]


def joined(source: Tensor, target: Tensor | None) -> Batch:
    batch = Batch(
        source,
        (source != PAD).sum(dim=1),
        None,
        target,
        None,
        torch.arange(len(source)),
        torch.device("cpu"),
        PAD,
        END,
        is_train=target is not None,
    )
    if target is not None:
        batch.sort_by_src_length()
    return batch


def cut(row: list[int]) -> list[int]:
    return [token for token in (row[: row.index(END)] if END in row else row) if token not in (PAD, BEGIN)]
