"""A stack that others can reach: it starts once there is a key, and serves whoever has it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from orchestration.keys import KNOWN_FOR_S
from tests.support.articles import TEXT
from tests.support.commands import penstock
from tests.support.stack import END_WITHIN_S, ENDED, LiveStack
from tests.support.waiting import until

pytestmark = pytest.mark.full


@pytest.fixture
def public() -> Iterator[LiveStack]:
    """Not running yet."""
    with tempfile.TemporaryDirectory(prefix="penstock-") as root:
        stack = LiveStack(Path(root), api_host="0.0.0.0")
        yield stack
        stack.clean_up()


def key_of(stack: LiveStack, tenant: str) -> dict[str, str]:
    made = penstock(stack, "keys", "create", "--name", "test", "--scope", "submit,read", "--tenant", tenant)
    assert made.status == 0, made.err
    return {"Authorization": f"Bearer {made.out.strip()}"}


def test_from_a_refusal_to_start_to_a_refused_key(public: LiveStack) -> None:
    refused = penstock(public, "up")
    assert refused.status == 1
    assert "penstock keys create" in refused.err
    public.assert_gone()

    ours, theirs = key_of(public, "ours"), key_of(public, "theirs")
    client = public.start().client
    assert client.get("/readyz").status_code == 200
    assert client.post("/v1/jobs", json={"text": TEXT}).status_code == 401

    path = client.post("/v1/jobs", files={"file": ("notes.md", TEXT)}, headers=ours).headers["location"]
    until(
        lambda: client.get(path, headers=ours).json()["status"] in ENDED,
        within_s=END_WITHIN_S,
        what="the end of the job",
    )
    result = client.get(f"{path}/result", headers=ours)
    assert result.json()["summary"]["text"]
    assert client.get(path, headers=theirs).status_code == 404
    [job_folder] = (public.data_dir / "payloads" / "ours").iterdir()
    assert path.endswith(job_folder.name)

    text = ours["Authorization"].partition(" ")[2]
    assert penstock(public, "keys", "revoke", text[4:12]).status == 0
    until(lambda: status(client, path, ours) == 401, within_s=KNOWN_FOR_S + 1, what="the end of the key")
    assert client.get("/v1/jobs", headers=theirs).status_code == 200
    assert text not in public.log_tail()


def status(client: httpx.Client, path: str, key: dict[str, str]) -> int:
    return client.get(path, headers=key).status_code
