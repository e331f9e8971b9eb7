"""A model with one layer of attention whose queries, keys and values are given, token by token."""

import torch
import transformers
from torch import nn
from transformers.modeling_outputs import BaseModelOutput
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from hopfield.heads import Corpus


class Planted(nn.Module):
    """Tables `(H, V, d)` of what each of V tokens asks, stores and projects."""

    is_causal = False

    def __init__(self, query, key, value, beta):
        super().__init__()
        self.config = transformers.PretrainedConfig()
        self.config._attn_implementation_internal = "sdpa"
        self.query, self.key, self.value = map(nn.Parameter, (query, key, value))
        self.beta = beta

    def forward(self, input_ids, attention_mask):
        given = (
            table[:, input_ids].transpose(0, 1) for table in (self.query, self.key, self.value)
        )
        attend = ALL_ATTENTION_FUNCTIONS[self.config._attn_implementation]
        mask = attention_mask[:, None, None].bool().expand(-1, 1, input_ids.shape[1], -1)
        readout, _ = attend(self, *given, mask, scaling=self.beta)
        return BaseModelOutput(readout.flatten(2))


def corpus(sequences=2, length=32, vocabulary=64):
    """Sequences of tokens that differ from one another."""
    found = [torch.randperm(vocabulary)[:length].tolist() for _ in range(sequences)]
    return Corpus(found, range(sequences))
