"""CPU work on hostile input, in child processes that can be killed."""

import fcntl
import os
import pickle
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from math import ceil
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Lock
from typing import Any, ParamSpec, TypeVar

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from stages.contract import Permanent, Scope, StageError, Transient

P = ParamSpec("P")
T = TypeVar("T")

MIB = 1024 * 1024
SLICE_S = 0.25
CPU_GRACE_S = 2


@dataclass(frozen=True, slots=True)
class IsolationLimits:
    """What one call may use, and how long a child lives."""

    timeout_s: float = 12.0
    """Of one call, once it has a child to itself; of processor time, 2 s more."""
    memory_bytes: int = 1024 * MIB
    """Address space of a child beyond what it starts with; enforced on Linux."""
    max_calls: int = 200
    """After which a child is replaced, so that leaks stay small."""


class ProcessIsolation:
    """Implements `stages.contract.Isolate`.

    - `max_workers`: children at once.
    - `preload`: modules every child finds imported already.

    Children are forked from a fork server, since forking a process with threads is unsafe. It is started on the first
    call, or by `start`, which has to happen after the worker itself was forked, and in a process that may have
    children (one that is not `daemon`).
    """

    def __init__(self, *, max_workers: int, preload: Sequence[str] = (), limits: IsolationLimits | None = None) -> None:
        self._max_workers = max_workers
        self._preload = preload
        self._limits = limits or IsolationLimits()
        self._pool: ProcessPool | None = None
        self._lock = Lock()

    def __call__(self, scope: Scope, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a module-level function with picklable arguments, and wait.

        Raises `StageError` as the function did; `Permanent` with `parse_timeout` or `parse_memory`; `Transient` with
        `parse_crashed` when the child died; or what the scope says, whereupon the child is killed. Other exceptions
        of the function come through with the child's traceback as their cause.
        """
        scope.check()
        pool = self.start()
        try:
            return self._result(scope, pool, self._schedule(pool, function, args, kwargs))
        except MemoryError:
            raise Permanent("parse_memory") from None
        except FutureTimeoutError:
            raise Permanent("parse_timeout") from None
        except (ProcessExpired, CancelledError):
            raise Transient("parse_crashed") from None
        except BrokenProcessPool:
            self._retire(pool)
            raise Transient("parse_crashed") from None

    def start(self) -> ProcessPool:
        """Start the children if that has not been done, which takes about as long as importing `preload`."""
        with self._lock:
            if self._pool is None:
                self._pool = self._new_pool()
            return self._pool

    def close(self) -> None:
        """Kill the children and what they are doing."""
        if (pool := self._pool) is not None:
            self._retire(pool)

    def _new_pool(self) -> ProcessPool:
        context = get_context("forkserver")
        context.set_forkserver_preload(["orchestration.outbound.forkserver", *self._preload])
        pool = ProcessPool(
            max_workers=self._max_workers,
            max_tasks=self._limits.max_calls,
            initializer=_prepare_child,
            initargs=(self._limits.memory_bytes,),
            context=context,
        )
        try:
            _ = pool.active  # starts it
        except BrokenProcessPool:
            raise Transient("parse_crashed", "The processes for parsing could not be started.") from None
        return pool

    def _schedule(
        self, pool: ProcessPool, function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> ProcessFuture[T]:
        try:
            work = (self._limits.timeout_s, function, args, kwargs)
            return pool.schedule(_run, args=work, timeout=self._limits.timeout_s)
        except RuntimeError as error:
            raise BrokenProcessPool from error

    def _result(self, scope: Scope, pool: ProcessPool, future: ProcessFuture[T]) -> T:
        try:
            while not wait([future], timeout=SLICE_S).done:
                scope.check()
                if self._pool is not pool:
                    raise BrokenProcessPool
        except BaseException:
            future.cancel()  # type: ignore[no-untyped-call]  # kills the child
            raise
        return future.result()

    def _retire(self, pool: ProcessPool) -> None:
        with self._lock:
            if self._pool is not pool:
                return
            self._pool = None
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()


def _run(timeout_s: float, function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    """In the child: call, and make sure that whatever is raised can be pickled; the pool would not survive it."""
    _limit_cpu(timeout_s)
    try:
        return function(*args, **kwargs)
    except (StageError, MemoryError):
        raise
    except BaseException as error:
        raise _portable(error) from error


def _portable(error: BaseException) -> Exception:
    try:
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own, a moment old
    except Exception:
        copy = None
    return copy if isinstance(copy, Exception) else RuntimeError(f"{type(error).__name__}: {error}")


def _prepare_child(memory_bytes: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # so that it works inside C code, too
    _die_with_parent()
    _limit_memory(memory_bytes)


def _die_with_parent() -> None:
    """Have the kernel send SIGIO, which kills, when the worker's end of our pipe closes.

    A thread that waits for that would not run while C code holds the interpreter's lock; and PR_SET_PDEATHSIG tells
    of the death of the fork server, which lives for as long as its children.
    """
    parent = parent_process()
    if parent is None:
        return
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(parent.sentinel, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(parent.sentinel, fcntl.F_SETFL, fcntl.fcntl(parent.sentinel, fcntl.F_GETFL) | os.O_ASYNC)
    if not parent.is_alive():
        os._exit(1)


def _limit_cpu(timeout_s: float) -> None:
    """Have the kernel end a call whose worker does not: one that is stopped, or starved itself."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = ceil(used.ru_utime + used.ru_stime + timeout_s) + CPU_GRACE_S
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _limit_memory(memory_bytes: int) -> None:
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
