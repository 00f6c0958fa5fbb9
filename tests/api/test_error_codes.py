"""The codes that requests can be refused with are those of the reference."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from api.errors import CODE_OF_STATUS
from pipeline import errors
from pipeline.errors import PipelineError

ROOT = Path(__file__).parents[2]
RAISED_AS = {"BadRequest": 0, "Conflict": 0, "NotFound": 0, "problem": 1}
"""What makes an answer, and which of its arguments is the code."""


def spelled_out() -> Iterator[str]:
    for path in (ROOT / "api").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISED_AS:
                code = node.args[RAISED_AS[node.func.id]]
                if isinstance(code, ast.Constant):
                    yield str(code.value)


def carried() -> Iterator[str]:
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, PipelineError) and "code" in vars(kind):
            yield vars(kind)["code"]


def test_the_reference_lists_exactly_the_codes_of_refused_requests() -> None:
    page = (ROOT / "docs" / "reference" / "errors.md").read_text()
    listed = re.findall(r"^\| \*\*([a-z_]+)\*\* \|", page, re.MULTILINE)
    assert sorted(listed) == sorted({*spelled_out(), *carried(), *CODE_OF_STATUS.values(), "http_error"})
