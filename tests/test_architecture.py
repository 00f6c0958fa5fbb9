"""Tables and texts that belong together, and the size of files."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.settings import Settings
from stages.contract import CODES, WARNINGS

ROOT = Path(__file__).parent.parent
PACKAGES = ("api", "orchestration", "pipeline", "stages")
TABLE = ROOT / "stages" / "contract" / "codes.py"
MAX_FILE_LINES = 400
RAISING = {"Transient", "Permanent", "Postponed", "JobError"}


def sources() -> Iterator[Path]:
    return (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))


def nodes() -> Iterator[ast.AST]:
    for path in sources():
        if path != TABLE:
            yield from ast.walk(ast.parse(path.read_text()))


def called(node: ast.AST) -> str | None:
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None


def literals(nodes: Iterator[ast.AST]) -> set[str]:
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def table_rows(page: str, pattern: str) -> list[str]:
    return re.findall(rf"^\| `({pattern})` \|", (ROOT / "docs" / "reference" / page).read_text(), re.MULTILINE)


def test_every_code_that_is_raised_is_in_the_table() -> None:
    raised = literals(iter([node.args[0] for node in nodes() if called(node) in RAISING and node.args]))  # type: ignore[attr-defined]
    assert len(raised) > 20
    assert raised <= set(CODES)


def test_every_code_of_the_table_is_used() -> None:
    assert set(CODES) - literals(nodes()) == set()


def test_every_code_has_a_sentence() -> None:
    assert [code for code, entry in CODES.items() if not re.fullmatch(r"[A-Z].+\.", entry.meaning)] == []


def test_the_reference_lists_exactly_the_codes() -> None:
    listed = table_rows("errors.md", r"[a-z_]+")
    assert sorted(listed) == sorted([*CODES, *WARNINGS])


def test_the_reference_says_whether_a_retry_helps() -> None:
    page = (ROOT / "docs" / "reference" / "errors.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z_]+)` \|.*\| (yes|no) \|$", page, re.MULTILINE))
    assert rows == {code: "yes" if entry.retry_helps else "no" for code, entry in CODES.items()}


def test_the_reference_lists_exactly_the_warnings_and_each_is_used() -> None:
    assert set(table_rows("errors.md", r"[a-z_]+")) >= set(WARNINGS)
    assert set(WARNINGS) <= literals(nodes())


def test_the_reference_lists_exactly_the_settings() -> None:
    listed = table_rows("settings.md", "PENSTOCK_[A-Z_]+")
    assert sorted(listed) == sorted(f"PENSTOCK_{name.upper()}" for name in Settings.model_fields)


@pytest.mark.parametrize("path", list(sources()), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_short_enough_to_read_at_once(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_FILE_LINES
