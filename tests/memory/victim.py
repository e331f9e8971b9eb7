"""A program that forks a process for each line that it is given, to be killed or to end.

It imports everything once, and has one thread, so that a fork is quick and safe. A line is JSON:
the name of a function here, its arguments, and how many seconds after it is ready it is killed, or
null.
"""

import json
import os
import random
import resource
import signal
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path

import torch
from power import contents

from hopfield.memory import Memory, MemoryLockedError
from hopfield.memory.form import Form

WIDTH = 3
NOBODY = 65534


def small():
    """A tail and segments of few patterns, so that there are many files."""
    Form.tail_rows = property(lambda form: 8)
    Form.segment_rows = property(lambda form: 32)


def ready():
    """From now on it may be killed."""
    os.write(int(os.environ["READY"]), b".")


class Journal:
    """Lines that are in a file once they are written, whatever becomes of the process."""

    def __init__(self, path):
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def write(self, *line):
        os.write(self._file, (json.dumps(line) + "\n").encode())


def journal(path):
    """The lines of a journal, without one that was being written."""
    text = Path(path).read_text() if Path(path).exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def in_memory(memory):
    """The same in memory alone."""
    made = Memory(WIDTH, memory.beta)
    if len(memory):
        made.add(*memory.get(memory.ids), memory.ids)
    made._contents = replace(made._contents, next_id=memory._contents.next_id)
    return made


def changes(path, seed, lines, elsewhere):
    """Change a memory for ever, writing down which state comes next, and when it is there."""
    choice, kept = random.Random(seed), Journal(lines)
    torch.manual_seed(seed)
    memory = Memory.open(path)
    shadow = in_memory(memory)
    ready()
    while True:
        patterns, values = torch.randn(12, WIDTH), torch.randn(12, 2)
        some = choice.choice((1, 2, 3, 12))
        kind = choice.choice(("add", "add", "remove", "compact", "beta", "save"))
        if kind == "add" and len(memory) < 80:
            change = lambda m: m.add(patterns[:some], values[:some])  # noqa: E731, B023
        elif kind in ("add", "remove") and len(memory):
            gone = choice.sample(memory.ids.tolist(), choice.randint(1, len(memory)))
            change = lambda m: m.remove(gone)  # noqa: E731, B023
        elif kind == "beta":
            beta = choice.random() + 0.1
            change = lambda m: setattr(m, "beta", beta)  # noqa: E731, B023
        elif kind == "save" and elsewhere:
            path = str(Path(path).with_name(f"m-{choice.getrandbits(48)}"))
            change = lambda m: m.save(path) if m.path else None  # noqa: E731, B023
        else:
            kind, change = "compact", Memory.compact
        change(shadow)
        kept.write("next", path, contents(shadow), kind)
        change(memory)
        kept.write("done")


def hold(path, lines):
    """Write, and keep the lock."""
    memory = Memory.open(path)
    memory.add(torch.randn(1, WIDTH), torch.randn(1, 2))
    Journal(lines).write("held")
    ready()
    time.sleep(60)


def change_once(path):
    """Write, and end without a word."""
    Memory.open(path).add(torch.randn(1, WIDTH), torch.randn(1, 2))


def locked_out(memory):
    """Whether this one cannot write."""
    try:
        memory.add(torch.randn(1, WIDTH), torch.randn(1, 2))
    except MemoryLockedError:
        return True
    return False


def fork(path):
    """A process that was forked from the one that writes cannot write, and does not unlock."""
    memory = Memory.open(path)
    change = torch.randn(1, WIDTH), torch.randn(1, 2)
    memory.add(*change)
    child = os.fork()
    if child == 0:
        forbidden = [locked_out(memory), locked_out(Memory.open(path))]
        memory.close()
        forbidden.append(locked_out(memory))
        del memory
        os._exit(not all(forbidden))
    assert os.waitpid(child, 0)[1] == 0
    assert locked_out(Memory.open(path))
    memory.add(*change)
    memory.close()
    assert not locked_out(Memory.open(path))


def failure(change, *arguments):
    """What the system refuses, if it does."""
    try:
        change(*arguments)
    except OSError as error:
        return error
    return None


def full(path, lines):
    """Files may not grow beyond a size: add until one would, and go on when they may."""
    memory, kept = Memory.open(path), Journal(lines)
    for size in (1200, 1700, 2200):
        for count in (1, 7, 100):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            error = None
            while error is None:
                last = contents(memory)
                error = failure(memory.add, torch.randn(count, WIDTH), torch.randn(count, 2))
            kept.write(Path(error.filename).name.split("-")[0])
            assert contents(Memory.open(path)) == last
            memory.check()
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            memory.remove(memory.ids[:-1])
            memory.compact()


def somebody():
    """Be no longer the one who may do everything."""
    if os.getuid() == 0:
        os.setuid(NOBODY)


def under_a_folder_that_is_not_shown(path):
    """The folder of the memory is ours, and the one that it is in cannot be read."""
    somebody()
    change_once(path)


def read_only(path):
    """Only reading is allowed: it works, and writing says what it cannot do."""
    somebody()
    memory = Memory.open(path)
    memory.check()
    memory.retrieve(torch.randn(1, WIDTH))
    error = failure(memory.add, torch.randn(1, WIDTH), torch.randn(1, 2))
    assert isinstance(error, PermissionError)
    assert str(error.filename) == str(path)
    assert "can be read, but not written to" in str(error)
    assert not memory.refresh()


def main():
    torch.set_num_threads(1)
    small()
    for line in sys.stdin:
        name, arguments, after = json.loads(line)
        told, os.environ["READY"] = (str(end) for end in os.pipe())
        child = os.fork()
        if child == 0:
            try:
                globals()[name](*arguments)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        os.close(int(os.environ["READY"]))
        if after is not None and os.read(int(told), 1):
            time.sleep(after)
            os.kill(child, signal.SIGKILL)
        os.close(int(told))
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    main()
