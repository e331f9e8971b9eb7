"""Energy landscapes of seven patterns in the plane, with basins and the ways of states.

Three pictures follow β: one minimum for all patterns, then one for each group, then one for each
pattern. Three have other energies of the same patterns. The last is the split of two patterns into
two minima at β‖x‖² = 1. What is counted are ends of the grid's points. Half a minute.
"""

from argparse import ArgumentParser
from pathlib import Path

import torch

from hopfield import landscape, plot
from hopfield.energies import Epanechnikov, Modern, Polynomial, RandomFeatures

POINTS = [[1.0, 1.9], [1.8, 1.5], [2.1, 0.7], [-1.9, 0.9], [-2.2, -0.3], [0.2, -2.1], [1.0, -1.6]]
TWO = torch.tensor([[2.0, 0.0], [-2.0, 0.0]], dtype=torch.float64)
LIMITS = (-3.5, 3.5, -3.5, 3.5)


def main() -> None:
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the pictures")
    parser.add_argument("--quick", action="store_true", help="coarser")
    chosen = parser.parse_args()
    points, steps = (21, 7) if chosen.quick else (81, 80)
    chosen.out.mkdir(parents=True, exist_ok=True)
    stored = torch.tensor(POINTS, dtype=torch.float64)
    start = 3 * torch.randn(10, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    memories = {
        f"beta_{beta:g}": Modern(stored, beta=beta, similarity="euclidean")
        for beta in (0.2, 1.0, 12.0)
    } | {
        "polynomial": Polynomial(stored, degree=20),
        "epanechnikov": Epanechnikov(stored, beta=1.0),
        "random_features": RandomFeatures(stored, beta=2.0, features=2000, step=0.5),
    }
    for name, memory in memories.items():
        plane = landscape.plane(memory, points=points, limits=LIMITS)
        way = memory.retrieve(start, steps=60, trajectory=True).trajectory
        print(f"{name}: {len(plane.attractor)} attractors")
        with plot.theme():
            figure = plot.landscape(plane, stored, name.replace("_", " "), way.state)
            figure.savefig(chosen.out / f"landscape_{name}.png")
    split = landscape.bifurcation(TWO, torch.linspace(0.1, 0.6, steps).tolist())
    with plot.theme():
        figure = plot.bifurcation(split, "Two patterns ±x")
        figure.savefig(chosen.out / "landscape_two.png")


if __name__ == "__main__":
    main()
