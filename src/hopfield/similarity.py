"""Similarities of a state to stored patterns, all brought to the dot product.

| name        | score of pattern x for state ξ | how                                             |
|-------------|--------------------------------|-------------------------------------------------|
| `dot`       | β x·ξ                          | as it is                                        |
| `euclidean` | −½ β ‖x − ξ‖²                  | bias −½ β ‖x‖²; the rest is the same for all x  |
| `cosine`    | β x·ξ / (‖x‖ ‖ξ‖)              | both normalised                                 |

The null pattern of softmax1 is, with the Euclidean similarity, a pattern at the origin.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.linalg import vector_norm

Similarity = Literal["dot", "euclidean", "cosine"]
SIMILARITIES: tuple[Similarity, ...] = ("dot", "euclidean", "cosine")


def normalised(vectors: Tensor) -> Tensor:
    """Vectors of length 1; a vector of length 0 stays 0, with gradient 0."""
    wide = vectors.to(torch.promote_types(vectors.dtype, torch.float32))
    length = vector_norm(wide, dim=-1, keepdim=True)
    return (wide / length.masked_fill(length == 0, torch.inf)).to(vectors.dtype)


def minus_half_squares(stored: Tensor) -> Tensor:
    """−½‖x‖², shape `(..., N)`, in at least float32: what β multiplies into a Euclidean bias."""
    wide = stored.to(torch.promote_types(stored.dtype, torch.float32))
    return -0.5 * vector_norm(wide, dim=-1).square()
