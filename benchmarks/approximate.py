"""The bias of `approximate`: gradients of the receptors with most association alone.

python -m benchmarks.approximate     prints a table: a motif in 0.1 % of 10 000 receptors each
"""

import statistics

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity
from tqdm import tqdm

from hopfield.repertoire import RepertoireClassifier, Simulation, simulated

SHARES = 0.5, 0.1, 0.01
BATCH = 4


def main() -> None:
    """Print how gradients of shares differ from those of all receptors, over batches."""
    made = simulated(repertoires=80, sequences=10_000, signal="SFEN", witness=0.001)
    print("| start | share | cosine to the exact gradient | its norm, × exact | loss − exact |")
    print("|---|--:|--:|--:|--:|")
    for start in ("random", "screen"):
        classifier = RepertoireClassifier(start=start, epochs=1)
        classifier.fit(made.repertoires, made.metadata["diagnosis"])
        values = torch.from_numpy((made.metadata["diagnosis"] == "positive").to_numpy()).double()
        starts = range(0, len(values), BATCH)
        batches = [range(low, low + BATCH) for low in starts]
        exact = [gradient(classifier, made, values, batch) for batch in tqdm(batches)]
        for share in SHARES:
            some = [gradient(classifier, made, values, batch, share) for batch in tqdm(batches)]
            pairs = list(zip(some, exact, strict=True))
            cosines = [float(cosine_similarity(a, b, dim=0)) for (a, _), (b, _) in pairs]
            norms = [float(a.norm() / b.norm()) for (a, _), (b, _) in pairs]
            losses = [a - b for (_, a), (_, b) in pairs]
            cells = [spread(cosines), spread(norms), spread(losses)]
            print(f"| {start} | {share} | {' | '.join(cells)} |")


def gradient(
    classifier: RepertoireClassifier,
    made: Simulation,
    values: Tensor,
    batch: range,
    share: float | None = None,
) -> tuple[Tensor, float]:
    """Of the mean loss of a batch with all parameters; and the loss."""
    network = classifier.network_
    outputs = network([made.repertoires[i] for i in batch], share)
    loss = classifier.tasks_.losses(outputs, values[batch.start : batch.stop, None]).mean()
    parameters = [one for one in network.parameters() if one.requires_grad]
    slopes = torch.autograd.grad(loss, parameters)
    return torch.cat([slope.flatten() for slope in slopes]), loss.item()


def spread(values: list[float]) -> str:
    """The median, and the quartiles."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
