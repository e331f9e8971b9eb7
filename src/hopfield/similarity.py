"""Similarities of a state to stored patterns, all brought to the dot product.

| name        | score of pattern x for state ξ | how                                             |
|-------------|--------------------------------|-------------------------------------------------|
| `dot`       | β x·ξ                          | as it is                                        |
| `euclidean` | −½ β ‖x − ξ‖²                  | bias −½ β ‖x‖²; the rest is the same for all x  |
| `cosine`    | β x·ξ / (‖x‖ ‖ξ‖)              | both normalised                                 |

The null pattern of softmax1 is, with the Euclidean similarity, a pattern at the origin. Euclidean
scores are differences of products: where patterns lie further from the origin than from each other
by a factor r, they lose about 2·log10(r) digits; subtract the mean of the patterns from both first.
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
    if wide.shape[-1] > 0:  # so that squares neither overflow nor vanish
        largest = wide.detach().abs().amax(-1, keepdim=True)
        wide = wide / largest.masked_fill(largest == 0, 1.0)
    length = vector_norm(wide, dim=-1, keepdim=True)
    return (wide / length.masked_fill(length == 0, torch.inf)).to(vectors.dtype)


def minus_half_squares(stored: Tensor) -> Tensor:
    """−½‖x‖², shape `(..., N)`, in at least float32: what β multiplies into a Euclidean bias."""
    wide = stored.to(torch.promote_types(stored.dtype, torch.float32))
    return -0.5 * vector_norm(wide, dim=-1).square()
