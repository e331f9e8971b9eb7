"""The statements of the paper's abstract, each checked by a criterion that was fixed before."""

from hopfield.claims.claim import Claim, Finding, Measured, Verdict
from hopfield.claims.collection import CLAIMS
from hopfield.claims.run import Claims, claims, load

__all__ = ["CLAIMS", "Claim", "Claims", "Finding", "Measured", "Verdict", "claims", "load"]
