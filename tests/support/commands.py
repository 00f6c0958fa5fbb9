"""Commands of `penstock` in processes of their own, in the environment of a live stack."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.stack import ROOT, LiveStack


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def documents(self) -> list[dict[str, Any]]:
        """Standard output as JSON, one document a line; anything else there is an error."""
        return [json.loads(line) for line in self.out.splitlines()]


@contextmanager
def begun(stack: LiveStack, *words: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A command in the stack's environment, whether that runs or not."""
    process = subprocess.Popen(
        [sys.executable, "-m", "api", *map(str, words)],
        cwd=ROOT,
        env=stack.environ | {"COLUMNS": "100"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def penstock(stack: LiveStack, *words: str | Path, stdin: str = "") -> Ran:
    """Run a command to its end."""
    with begun(stack, *words) as process:
        out, err = process.communicate(stdin, timeout=90)
    return Ran(process.returncode, out, err)
