"""The programs of the tutorial do what it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.articles import ARTICLE
from tests.support.hosts import OrderedOrigin
from tests.support.origin import Reply
from tests.support.stack import ROOT, LiveStack

pytestmark = pytest.mark.full

PAGE = (ROOT / "docs" / "tutorial" / "build-an-app.md").read_text(encoding="utf-8")
PROGRAMS = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.DOTALL))
TITLE = "The lock keeper of Marlow"


@pytest.fixture
def run(stack: LiveStack, tmp_path: Path):
    def run(name: str, *words: str) -> str:
        path = tmp_path / name
        path.write_text(PROGRAMS[name], encoding="utf-8")
        command = [sys.executable, str(path), str(stack.client.base_url), *words]
        environ = stack.environ | {"PYTHONPATH": str(ROOT)}
        ran = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=90, check=False)
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
        return ran.stdout

    return run


def test_one_page_is_summarized(run, origin: OrderedOrigin) -> None:
    said = run("hello.py", origin.on("/page", Reply(body=ARTICLE))).splitlines()
    assert said[0] == TITLE
    assert said[1]


def test_what_happens_is_shown(run, origin: OrderedOrigin) -> None:
    said = run("watch.py", origin.on("/gone", Reply(404))).splitlines()
    assert [line.strip() for line in said] == [
        "job.queued",
        "stage.started fetch",
        "job.failed fetch",
        "http_not_found: The host answered 404: the page does not exist.",
    ]


def test_the_digest_of_a_day_is_made_once(run, stack: LiveStack, origin: OrderedOrigin) -> None:
    urls = [origin.on("/page", Reply(body=ARTICLE)), origin.on("/gone", Reply(404))]
    first = run("digest.py", "2026-11-21", *urls)
    assert first.startswith(f"# Digest of 2026-11-21\n\n## {TITLE}\n\n")
    assert f"## {urls[1]}\n\nThe host answered 404" in first
    newest = stack.client.get("/v1/jobs?limit=2").json()["items"]
    assert run("digest.py", "2026-11-21", *urls) == first
    assert stack.client.get("/v1/jobs?limit=2").json()["items"] == newest
