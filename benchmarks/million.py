"""A memory of a million patterns beside exhaustive search, as FAISS does it, and plain PyTorch.

`limit` tells the median error against float64, what was proved of it, and how much memory was taken
beyond what is held: the patterns, 4 bytes a number, with FAISS's SQ8 1, in bfloat16 2, and for
certified int8 4 + 1.
"""

import faiss
import torch
from torch.nn.functional import normalize, scaled_dot_product_attention

import hopfield
from benchmarks.harness import Result, race
from benchmarks.memory import beyond

PATTERNS, HEAVIEST = 1_000_000, 32
BETAS = {"concentrated": 40.0, "spread": 1.0}
STATES = (1, 32, 256)


def best(index: faiss.Index, stored: torch.Tensor, state: torch.Tensor, beta: float):
    """The read-out of the patterns that a search finds, weighted by their softmax."""
    scores, found = index.search(state.numpy(), HEAVIEST)
    weights = torch.softmax(beta * torch.from_numpy(scores), -1)
    return (weights.unsqueeze(1) @ stored[torch.from_numpy(found)]).squeeze(1)


def indices(stored: torch.Tensor) -> dict[str, faiss.Index]:
    """Exhaustive search in float32, and in eight bits."""
    width = stored.shape[1]
    flat = faiss.IndexFlatIP(width)
    coded = faiss.IndexScalarQuantizer(
        width, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    for index in (flat, coded):
        index.train(stored[:100_000].numpy())
        index.add(stored.numpy())
    return {f"FAISS flat, top {HEAVIEST}": flat, f"FAISS SQ8, top {HEAVIEST}": coded}


def memories(stored: torch.Tensor) -> dict[str, hopfield.Memory]:
    """The same patterns in each form."""
    forms = {
        "Memory": {},
        "Memory, bfloat16": {"dtype": "bfloat16"},
        "Memory, certified int8": {"scan": "int8"},
    }
    made = {name: hopfield.Memory(stored.shape[1], **form) for name, form in forms.items()}
    for memory in made.values():
        memory.add(stored)
    return made


def run(device: str) -> list[Result]:
    faiss.omp_set_num_threads(torch.get_num_threads())
    results = []
    for width in (64, 128):
        stored = normalize(torch.randn(PATTERNS, width), dim=-1)
        searched, kept = indices(stored), memories(stored)
        for kind, beta in BETAS.items():
            for memory in kept.values():
                memory.beta = beta
            for states in STATES:
                state = stored[:states] + 0.02 * torch.randn(states, width)
                four = state[None, None], stored[None, None], stored[None, None]
                contenders = {
                    name: lambda i=index, q=state, x=stored, b=beta: best(i, x, q, b)
                    for name, index in searched.items()
                }
                contenders |= {
                    name: lambda m=memory, q=state: m.retrieve(q).state
                    for name, memory in kept.items()
                }
                contenders["scaled_dot_product_attention"] = lambda f=four, b=beta: (
                    scaled_dot_product_attention(*f, scale=b)[0, 0]
                )
                contenders["softmax(β ξ Xᵀ) X"] = lambda q=state, x=stored, b=beta: (
                    torch.softmax(b * q @ x.T, -1) @ x
                )
                expected = hopfield.update(state[:8].double(), stored.double(), beta=beta)
                told = {name: error(f()[:8], expected) for name, f in contenders.items()}
                seen = kept["Memory, certified int8"].retrieve(state).certificate
                told["Memory, certified int8"] += f", proved {seen.bound.median():.0e}"
                for name, function in contenders.items():
                    told[name] += f", + {beyond(function) / 1e6:.0f} MB"
                limits = {name: lambda _, text=text: text for name, text in told.items()}
                case = f"S = {states}, d = {width}, {kind}"
                rounds = 3 if states == 256 else 11
                results += race("a memory of a million", case, contenders, rounds, limits, device)
    return results


def error(found: torch.Tensor, expected: torch.Tensor) -> str:
    """The median distance from float64; patterns have length 1."""
    return f"error {(found - expected).norm(dim=-1).median():.0e} M"
