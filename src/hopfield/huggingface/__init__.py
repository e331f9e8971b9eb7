"""Transformers models whose attention is association: `attn_implementation="hopfield"`.

Importing this package registers the name with transformers.
"""

from hopfield.huggingface.attention import NAME, register
from hopfield.huggingface.options import Options, configure, options

__all__ = ["NAME", "Options", "configure", "options"]

register()
