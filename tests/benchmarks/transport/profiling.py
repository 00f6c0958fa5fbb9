"""Where a worker spends its time, by py-spy, which has to be on the PATH."""

import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.transport import rig

LEAST_SHARE = 0.015
"""Of a function that a profile shows."""
_ONE_OF_MANY = re.compile(r":\d+(?=\))|(?<=Executor)-\d+_\d+|(?<=^thread) \(\d+\)|(?<=^process) \d+")
"""The numbers of lines, threads and processes."""


@contextmanager
def profiled(worker: rig.Worker, folder: Path | None, name: str) -> Iterator[None]:
    """Profile the worker while the block runs, if there is a folder for it; `name` is that of the file."""
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / f"{name}.folded"
    # Without --nonblocking, which stops the worker for each sample, whatever enters the kernel looks slow.
    how = ["--gil", "--nonblocking", "--subprocesses", "--threads", "--rate", "500", "--format", "raw"]
    command = ["py-spy", "record", *how, "--pid", str(worker.process.pid), "--output", str(output)]
    spy = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        spy.send_signal(signal.SIGINT)
        spy.wait()
    _print_profile(name, output)


def _print_profile(name: str, folded: Path) -> None:
    total, own, samples = Counter[tuple[str, ...]](), Counter[str](), 0
    for line in folded.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        if not count.isdecimal():
            continue  # py-spy reads a running process: now and then it reads nonsense
        frames = tuple(_ONE_OF_MANY.sub("", frame) for frame in stack.split(";")[1:])
        total.update({frames[: depth + 1]: int(count) for depth in range(len(frames))})
        own[frames[-1]] += int(count)
        samples += int(count)
    print(f"\n{name}: {samples} samples that held the GIL; with callees, where more than a caller's")
    _print_branches(total, (), samples, samples)
    print("without callees:")
    for frame, count in own.most_common(15):
        print(f"{100 * count / samples:6.1f} %  {frame}")


def _print_branches(total: Counter[tuple[str, ...]], path: tuple[str, ...], samples: int, parent: int) -> None:
    depth = len(path) + 1
    below = [each for each in total if len(each) == depth and each[:-1] == path and total[each] > samples * LEAST_SHARE]
    for each in sorted(below, key=lambda each: -total[each]):
        if total[each] < 0.97 * parent:  # else it only passes on what its caller does
            print(f"{100 * total[each] / samples:6.1f} %  {'. ' * (depth // 2)}{each[-1]}")
        _print_branches(total, each, samples, total[each])
