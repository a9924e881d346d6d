"""Skip-gram: a word is known by the company it keeps.

One table holds a vector for each word, another one for each word as the neighbour of others. What is kept and used
afterwards is the first.
"""

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.config import Config
from pellucid.nn.dropout import Dropout


class SkipGramConfig(Config):
    """The size of a table of word vectors, and what is called a neighbour."""

    dimension: int = Field(64, ge=2, description="numbers of a word's vector")
    window: int = Field(5, ge=1, le=50, description="words on each side that count as neighbours, at most")
    negatives: int = Field(5, ge=1, description="words drawn at random for each neighbour, to be told from it")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of a word's numbers switched off during training")


class SkipGram(nn.Module):
    """Tells a word's neighbours from words drawn at random.

        p(neighbour | word) = sigmoid(v_word . u_neighbour)
        loss = -log sigmoid(v . u) - sum_k log sigmoid(-v . u_k)

    A row of the table is what a one-hot vector times the table gives, without the multiplication.
    Shapes: word and neighbour (pair), drawn (pair, negative) -> (pair).
    Source: Mikolov et al., "Distributed Representations of Words and Phrases", 2013.
    """

    def __init__(self, words: int, dimension: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.word = nn.Embedding(words, dimension)
        self.neighbour = nn.Embedding(words, dimension)
        nn.init.uniform_(self.word.weight, -0.5 / dimension, 0.5 / dimension)  # as in the authors' program
        nn.init.zeros_(self.neighbour.weight)

    def forward(
        self, word: Int[Tensor, " pair"], neighbour: Int[Tensor, " pair"], drawn: Int[Tensor, "pair negative"]
    ) -> Float[Tensor, " pair"]:
        vector = self.dropout(self.word(word))  # pair dimension
        near = (vector * self.neighbour(neighbour)).sum(-1)  # pair
        far = (self.neighbour(drawn) @ vector.unsqueeze(-1)).squeeze(-1)  # pair negative
        return -F.logsigmoid(near) - F.logsigmoid(-far).sum(-1)


def one_hot(word: Int[Tensor, " pair"], words: int) -> Float[Tensor, "pair words"]:
    """A 1 at the word's own place and 0 everywhere else: any two different words are equally far apart."""
    return F.one_hot(word, words).to(torch.get_default_dtype())
