"""The claims, in the order of the abstract."""

from hopfield.claims import (
    attention,
    descent,
    elsewhere,
    gradients,
    heads,
    layers,
    minima,
    one_update,
    repertoires,
    small_errors,
    storage,
)
from hopfield.claims.claim import Claim

CLAIMS: dict[str, Claim] = {
    claim.name: claim
    for claim in (
        descent.CLAIM,
        storage.CLAIM,
        one_update.CLAIM,
        small_errors.CLAIM,
        minima.CLAIM,
        gradients.CLAIM,
        attention.CLAIM,
        heads.CHARACTERISED,
        heads.DEPTH,
        layers.STORES,
        layers.MECHANISMS,
        elsewhere.BREADTH,
        elsewhere.BAGS,
        repertoires.CLAIM,
        elsewhere.TABLES,
        elsewhere.DRUGS,
        elsewhere.CODE,
    )
}
