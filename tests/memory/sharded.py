"""What the processes of `test_shard` do: each check runs on all of them, and asserts there."""

import os
import re
import signal
import time
import traceback
from dataclasses import fields
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import hopfield
from hopfield import TopK
from hopfield.errors import ArgumentError, DtypeError, ShapeError, ShardError
from hopfield.memory.memory import Memory
from hopfield.memory.shard.collective import Group
from hopfield.memory.shard.shard import ShardedMemory

N, D = 103, 12
EQUAL = ((90, 1), (91, 1), (40, 2))
SETTINGS = [
    {"similarity": similarity, "separation": separation, "beta": beta}
    for similarity, beta in (("dot", 0.7), ("euclidean", 0.9), ("cosine", 9.0))
    for separation in ("softmax", "softmax1", TopK(5))
]


def patterns():
    return torch.randn(N, D, generator=torch.Generator().manual_seed(0))


def duplicated(made=None):
    """Patterns, or what belongs to them, with duplicates, near and far."""
    made = patterns() if made is None else made.clone()
    for duplicate, first in EQUAL:
        made[duplicate] = made[first]
    return made


def first_equal(ids):
    """The id of the first of equal patterns: any of them may come at the end of the k heaviest."""
    for duplicate, first in EQUAL:
        ids = ids.masked_fill(ids == duplicate, first)
    return ids


def states(stored):
    noise = torch.randn(6, D, generator=torch.Generator().manual_seed(9))
    return (stored[:6] + 0.4 * noise).view(2, 3, D)


def share(tensor, rank, world):
    """Ragged shares, with three processes one without any."""
    bounds = {1: [0, N], 2: [0, 31, N], 3: [0, 70, 70, N]}[world]
    return tensor[bounds[rank] : bounds[rank + 1]]


def close(actual, wanted, tolerance=1e-5):
    torch.testing.assert_close(actual, wanted, atol=tolerance, rtol=tolerance)


def near(actual, wanted):
    """Gradients are right to 1e-5 of the largest."""
    scale = max(1.0, wanted.abs().max().item()) if wanted.numel() else 1.0
    torch.testing.assert_close(actual, wanted, atol=1e-5 * scale, rtol=1e-5)


def same(sharded, memory, noisy, tol=1e-3):
    """Whether a sharded memory does what the memory of one process does."""
    found = sharded.retrieve(noisy, steps=60, tol=tol, energy=True)
    wanted = memory.retrieve(noisy, steps=60, tol=tol, energy=True)
    for name in ("state", "readout", "energy"):
        close(getattr(found, name), getattr(wanted, name))
    assert torch.equal(found.steps, wanted.steps)
    assert torch.equal(found.converged, wanted.converged)
    if wanted.classes is not None:
        assert torch.equal(found.labels, wanted.labels)
    close(sharded.retrieve(noisy, steps=2).readout, memory.retrieve(noisy, steps=2).readout)
    for k in (1, 7, 2 * N):
        found, wanted = sharded.associate(noisy, k), memory.associate(noisy, k)
        close(found.weights, wanted.weights)
        close(found.left_out, wanted.left_out)
        clear = wanted.weights[..., :-1] > 1.0001 * wanted.weights[..., 1:]
        alone = nn.functional.pad(clear, (0, 1)) & nn.functional.pad(clear, (1, 0), value=True)
        assert torch.equal(first_equal(found.ids)[alone], first_equal(wanted.ids)[alone])
    close(sharded.energy(noisy), memory.energy(noisy))
    for beside in (noisy, 0.01 * noisy):
        found, wanted = sharded.phase(beside), memory.phase(beside)
        for field in fields(found):
            close(getattr(found, field.name), getattr(wanted, field.name))
    assert len(sharded) == len(memory)


def tensors(rank, world, folder):
    stored = duplicated()
    labels = duplicated(torch.arange(N) % 4 + 3)
    vectors = duplicated(torch.randn(N, 3, generator=torch.Generator().manual_seed(1)))
    for number, settings in enumerate(SETTINGS):
        kinds = (None, vectors, labels)
        for values in kinds if settings["similarity"] == "dot" else kinds[number % 3 :][:1]:
            memory = Memory(D, **settings)
            memory.add(stored, values)
            own = None if values is None else share(values, rank, world)
            sharded = ShardedMemory(share(stored, rank, world), own, **settings)
            same(sharded, memory, states(stored))


def definitions(rank, world, folder):
    """The same without `Memory`: the functions of the library over all patterns."""
    stored, noisy = patterns(), states(patterns())
    sharded = ShardedMemory(share(stored, rank, world), beta=0.7)
    close(sharded.retrieve(noisy).state, hopfield.update(noisy, stored, beta=0.7))
    close(sharded.energy(noisy), hopfield.energy(noisy, stored, beta=0.7))
    found, wanted = sharded.phase(noisy), hopfield.phase(noisy, stored, beta=0.7)
    for field in fields(found):
        close(getattr(found, field.name), getattr(wanted, field.name))


def bfloat16(rank, world, folder):
    stored = duplicated().bfloat16()
    memory = Memory(D, dtype="bfloat16", similarity="euclidean")
    memory.add(stored)
    sharded = ShardedMemory(share(stored, rank, world), similarity="euclidean")
    same(sharded, memory, states(patterns()))


def from_path(rank, world, folder):
    """Mapped shares across segments, with removed patterns and a log."""
    for name in ("plain", "labels"):
        with Memory.open(folder / name) as memory:
            same(ShardedMemory.open(folder / name), memory, states(patterns()))


def of_memories(rank, world, folder):
    stored = patterns()
    whole, own = Memory(D), Memory(D)
    values = torch.arange(N) // 50
    whole.add(stored, values, ids=torch.arange(N))
    own.add(*(share(tensor, rank, world) for tensor in (stored, values, torch.arange(N))))
    own.remove(own.ids[::10])
    whole.remove(torch.cat([share(torch.arange(N), one, world)[::10] for one in range(world)]))
    same(ShardedMemory.of(own), whole, states(stored))
    if world > 1:
        twice = Memory(D)
        twice.add(stored[: 50 + rank])
        raises(ArgumentError, "unique", ShardedMemory.of, twice)


def whole_gradients(stored, noisy, values, settings):
    read = hopfield.retrieve(noisy, stored, values, steps=3, **settings).readout
    last = hopfield.retrieve(noisy, stored, steps=3, energy=True, **settings)
    loss = read.square().sum() + last.energy.sum()
    return torch.autograd.grad(loss, [noisy, stored, values])


def gradients(rank, world, folder):
    """Of states, local patterns and values: those of one process, the loss being on all."""
    for settings in SETTINGS:
        stored, noisy = patterns().requires_grad_(), states(patterns()).requires_grad_()
        values = torch.randn(N, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
        wanted = whole_gradients(stored, noisy, values, settings)
        own = nn.Parameter(share(stored.detach(), rank, world).clone())
        read = nn.Parameter(share(values.detach(), rank, world).clone())
        mine = states(patterns()).requires_grad_()
        sharded = ShardedMemory(own, read, **settings)
        found = sharded.retrieve(mine, steps=3, energy=True)
        (found.readout.square().sum() + found.energy.sum()).backward()
        near(mine.grad, wanted[0])
        near(own.grad, share(wanted[1], rank, world))
        near(read.grad, share(wanted[2], rank, world))


def gradients_of_some(rank, world, folder):
    """One process trains its patterns, and no other anything."""
    stored, noisy = patterns(), states(patterns())
    own = share(stored, rank, world).clone().requires_grad_(rank == 0)
    found = ShardedMemory(own, beta=0.7).retrieve(noisy, steps=2)
    found.state.square().sum().backward()
    stored.requires_grad_()
    hopfield.retrieve(noisy, stored, beta=0.7, steps=2).state.square().sum().backward()
    if rank == 0:
        near(own.grad, share(stored.grad, rank, world))


def trained(encoder, memory, learned, data, target, **own):
    optimiser = torch.optim.SGD([*encoder.parameters(), *learned], 0.1)
    for _ in range(3):
        optimiser.zero_grad()
        found = memory.retrieve(encoder(data), steps=2, energy=True, **own)
        ((found.state - target).square().mean() + 0.1 * found.energy.mean()).backward()
        optimiser.step()


class Whole:
    """The functions of the library, as a memory of one process."""

    def __init__(self, stored):
        self.stored = stored

    def retrieve(self, noisy, **settings):
        return hopfield.retrieve(noisy, self.stored, beta=0.7, **settings)


def data_parallel(rank, world, folder):
    """An encoder under DDP before a sharded memory: states of the first, and of each its own."""
    draw = torch.Generator().manual_seed(2)
    data, target = torch.randn(2, world, 4, D, generator=draw)
    for own in (False, True):
        encoder, whole = nn.Linear(D, D), nn.Linear(D, D)
        for one in (encoder, whole):
            nn.init.eye_(one.weight)
            nn.init.zeros_(one.bias)
        stored = nn.Parameter(patterns())
        seen = (data.flatten(0, 1), target.flatten(0, 1)) if own else (data[0], target[0])
        trained(whole, Whole(stored), [stored], *seen)
        local = nn.Parameter(share(patterns(), rank, world).clone())
        memory = ShardedMemory(local, beta=0.7)
        parallel = DistributedDataParallel(encoder)
        which = rank if own else 0
        trained(parallel, memory, [local], data[which], target[which], own=own)
        close(encoder.weight, whole.weight)
        close(encoder.bias, whole.bias)
        close(local, share(stored, rank, world))


def each_its_own(rank, world, folder):
    stored = patterns()
    sharded = ShardedMemory(share(stored, rank, world), beta=0.7)
    memory = Memory(D, 0.7)
    memory.add(stored)
    noisy = states(stored) + rank
    found, wanted = sharded.retrieve(noisy, own=True), memory.retrieve(noisy)
    close(found.state, wanted.state)
    close(sharded.associate(noisy, 3, own=True).weights, memory.associate(noisy, 3).weights)
    close(sharded.phase(noisy, own=True).k90, memory.phase(noisy).k90)


def of_the_first(rank, world, folder):
    """States of the first count, and all processes hold the same numbers, bit for bit."""
    stored = patterns()
    sharded = ShardedMemory(share(stored, rank, world), beta=0.7)
    found = sharded.retrieve(states(stored) + rank, steps=5)
    close(found.state, hopfield.retrieve(states(stored), stored, beta=0.7, steps=5).state)
    every = Group(60.0).slots(found.state.contiguous().view(torch.int32))
    assert torch.equal(every, every[:1].expand_as(every))


def heaviest_on_several(rank, world, folder):
    """Duplicates on all processes add up: one pattern has most of the weight."""
    own = torch.randn(300, D, generator=torch.Generator().manual_seed(rank))
    own[[5, 80]] = torch.ones(D)
    noisy = torch.full((2, D), 0.6)
    found = ShardedMemory(own).phase(noisy)
    every = Group(60.0).slots(own).flatten(0, 1)
    wanted = hopfield.phase(noisy, every)
    close(found.heaviest, wanted.heaviest)
    assert torch.equal(found.k90, wanted.k90)


def raises(kind, says, function, *args, **settings):
    with pytest.raises(kind, match=re.escape(says)):
        function(*args, **settings)


def what_does_not_fit(rank, world, folder):
    """A clear error on all processes, and no harm: the next call works."""
    stored = patterns()
    sharded = ShardedMemory(share(stored, rank, world), beta=0.7)
    noisy = states(stored)
    raises(ShapeError, "width 12", sharded.retrieve, noisy[..., :5])
    raises(ArgumentError, "no process holds", ShardedMemory, stored[:0])
    raises(ArgumentError, "finite", sharded.energy, noisy.log())
    raises(ArgumentError, "too long", sharded.energy, noisy.double() * 1e300)
    raises(ArgumentError, "values has NaN", ShardedMemory, stored, stored.log())
    raises(DtypeError, "values is a str", ShardedMemory, stored, "a")
    raises(ShapeError, "values has 5 rows", ShardedMemory, stored, stored[:5])
    raises(ArgumentError, "too long for torch.float32", ShardedMemory, 1e30 * stored)
    raises(DtypeError, "ids has dtype torch.bool", ShardedMemory, stored, ids=stored[:, 0] > 0)
    raises(ArgumentError, "more than once", ShardedMemory, stored, ids=[3] * N)
    raises(ShapeError, "ids has 1 rows", ShardedMemory, stored, ids=[3])
    raises(ArgumentError, "a hopfield.Memory is expected", ShardedMemory.of, None)
    raises(ArgumentError, "beta is inf", ShardedMemory, stored, beta=float("inf"))
    with pytest.raises(AttributeError):
        sharded.beta = "x"
    if world > 1:
        first, last = rank == 0, rank == world - 1
        raises(ArgumentError, "states=", sharded.retrieve, noisy if first else noisy[:1])
        raises(ArgumentError, "steps=2", sharded.retrieve, noisy, steps=1 + first)
        raises(ArgumentError, "energy(", sharded.energy if first else sharded.phase, noisy)
        refused = "width 12" if last else f"process {world - 1} refused"
        raises(ArgumentError, refused, sharded.retrieve, noisy[..., : D - last])
        refused = "NaN" if last else f"process {world - 1} refused"
        raises(ArgumentError, refused, ShardedMemory, stored.log() if last else stored)
        raises(ArgumentError, "beta=1", ShardedMemory, stored, beta=1.0 + rank)
        values = stored[:, : 1 + first]
        raises(ShapeError, "width 2", ShardedMemory, stored, values)
        ids = torch.arange(N) + (0 if first else 90)
        raises(ArgumentError, "unique", ShardedMemory, stored, ids=ids)
    same_again = sharded.retrieve(noisy).state
    close(same_again, hopfield.update(noisy, stored, beta=0.7))


def volume(rank, world, folder):
    """The bytes of a step: world · S · (d + 1) · 4, whatever the number of patterns."""
    counted = []
    plain, objects = dist.all_reduce, dist.distributed_c10d._object_to_tensor

    def counting(tensor, *args, **settings):
        counted.append(tensor.nbytes)
        return plain(tensor, *args, **settings)

    def volumes(times):
        stored = patterns().repeat(times, 1)
        sharded = ShardedMemory(share(stored, rank, world) if times == 1 else stored)
        found = []
        for call in (
            lambda: sharded.retrieve(noisy, steps=3),
            lambda: sharded.associate(noisy, 4),
            lambda: sharded.energy(noisy),
            lambda: sharded.phase(noisy),
        ):
            counted.clear()
            call()
            found.append([*counted])
        return found

    noisy = states(patterns())
    dist.all_reduce, dist.distributed_c10d._object_to_tensor = counting, None
    try:
        few, many = volumes(1), volumes(9)
    finally:
        dist.all_reduce, dist.distributed_c10d._object_to_tensor = plain, objects
    assert few == many
    if world > 1:
        header, *steps = few[0]
        assert header == world * 9 * 8
        assert steps == [world * 6 * (D + 1) * 4] * 3
        assert few[1][-1] == world * 6 * (2 * 4 + 1) * 8
        assert sum(few[3]) < 6 * (64 * 8 * 2 * world + 40 * 8 + (D + 1) * 4 * world) + header


CHECKS = [
    tensors,
    definitions,
    bfloat16,
    from_path,
    of_memories,
    gradients,
    gradients_of_some,
    data_parallel,
    each_its_own,
    of_the_first,
    heaviest_on_several,
    what_does_not_fit,
    volume,
]


def meet(rank, world, meeting):
    torch.set_num_threads(1)
    ShardedMemory.__init__.__kwdefaults__["timeout"] = 20.0  # not for ever if something is wrong
    method = f"file://{meeting}"
    dist.init_process_group("gloo", init_method=method, rank=rank, world_size=world)


def run(rank, worlds, folder):
    """All checks, with fewer and fewer processes; each process writes what went wrong."""
    folder = Path(folder)
    for world in worlds:
        if rank < world:
            wrong = {}
            meet(rank, world, folder / f"meeting {world}")
            for check in CHECKS:
                try:
                    check(rank, world, folder)
                except Exception:
                    wrong[check.__name__] = traceback.format_exc()
                    break  # the processes are at different places now
            torch.save(wrong, folder / f"wrong {world} {rank}")
            dist.destroy_process_group()


def fail(rank, world, folder, how):
    """The second process dies or hangs in the middle; the others write what they are told."""
    folder = Path(folder)
    meet(rank, world, folder / "meeting")
    sharded = ShardedMemory.open(folder / "plain", timeout=3.0)
    if rank == 1:
        summed, left = Group.sum, [3]

        def failing(group, tensor):
            left[0] -= 1
            if left[0] == 0 and how == "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            if left[0] == 0:
                time.sleep(600)
            return summed(group, tensor)

        Group.sum = failing
    start = time.monotonic()
    try:
        sharded.retrieve(states(patterns()), steps=10)
    except ShardError as error:
        torch.save((str(error), time.monotonic() - start), folder / f"told {rank}.part")
        os.replace(folder / f"told {rank}.part", folder / f"told {rank}")
    os._exit(0)
