"""Receivers are told how jobs ended, signed, whatever dies in between."""

import base64
import hashlib
import hmac
import json
import os
import signal
from typing import Any

import pytest

from orchestration.embedded.datadir import DataDir
from tests.support.articles import TEXT
from tests.support.hosts import OrderedOrigin
from tests.support.origin import Reply, Seen
from tests.support.stack import LiveStack, Narrow
from tests.support.waiting import until

WITHIN_S = 15
TAKEN_AGAIN_WITHIN_S = 40
"""The lease of a delivery, and the restart of the process."""


def register(stack: LiveStack, url: str, **about: Any) -> dict[str, Any]:
    answer = stack.client.post("/v1/webhooks", json={"url": url, **about})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def withdraw(stack: LiveStack, webhook: dict[str, Any]) -> None:
    """The stack is shared: let no other test's jobs be told."""
    assert stack.client.delete(f"/v1/webhooks/{webhook['id']}").status_code == 204


def deliveries(stack: LiveStack, webhook: dict[str, Any]) -> list[dict[str, Any]]:
    return list(stack.client.get(webhook["deliveries_url"]).json()["items"])


def is_signed(seen: Seen, secret: str) -> bool:
    signed = f"{seen.headers['webhook-id']}.{seen.headers['webhook-timestamp']}.{seen.body}"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = "v1," + base64.b64encode(hmac.digest(key, signed.encode(), hashlib.sha256)).decode()
    return any(hmac.compare_digest(expected, each) for each in seen.headers["webhook-signature"].split())


def test_a_receiver_is_told_how_jobs_ended(stack: LiveStack, origin: OrderedOrigin) -> None:
    webhook = register(stack, origin.on("/hook", Reply()))
    done = stack.submit(text=TEXT, pipeline="extract")
    failed = stack.submit(url=origin.on("/gone", Reply(404)), pipeline="extract")
    until(lambda: origin.hits("/hook") == 2, within_s=WITHIN_S, what="two deliveries")
    seen = origin.requests("/hook")
    assert all(is_signed(each, webhook["secret"]) for each in seen)
    told = {json.loads(each.body)["data"]["id"]: json.loads(each.body) for each in seen}
    assert (told[done]["type"], told[failed]["type"]) == ("job.succeeded", "job.failed")
    assert told[failed]["data"]["error"]["code"] == "http_not_found"
    view = stack.job(done)
    assert told[done]["timestamp"].replace("+00:00", "Z") == view["finished_at"]
    assert {name: told[done]["data"][name] for name in ("status", "pipeline", "run")} == {
        "status": "succeeded",
        "pipeline": "extract",
        "run": 1,
    }
    log = until(lambda: _all_over(stack, webhook), within_s=WITHIN_S, what="the record")
    assert {(each["id"], each["status"]) for each in log} == {
        (each.headers["webhook-id"], "delivered") for each in seen
    }
    withdraw(stack, webhook)


def _all_over(stack: LiveStack, webhook: dict[str, Any]) -> list[dict[str, Any]]:
    log = deliveries(stack, webhook)
    return log if all(each["status"] == "delivered" for each in log) else []


@pytest.mark.full
def test_a_receiver_is_told_of_each_job_of_a_batch(stack: LiveStack, origin: OrderedOrigin) -> None:
    webhook = register(stack, origin.on("/hook", Reply()))
    items = [{"text": TEXT}, {"url": origin.on("/gone", Reply(404))}, {"text": TEXT, "delay_s": 3600}]
    batch = stack.client.post("/v1/batches", json={"items": items, "defaults": {"pipeline": "extract"}}).json()
    until(lambda: origin.hits("/hook") == 2, within_s=WITHIN_S, what="two deliveries")
    stack.client.delete(batch["url"])
    until(lambda: origin.hits("/hook") == 3, within_s=WITHIN_S, what="the third delivery")
    seen = origin.requests("/hook")
    assert all(is_signed(each, webhook["secret"]) for each in seen)
    bodies = [json.loads(each.body) for each in seen]
    assert {body["data"]["batch_id"] for body in bodies} == {batch["id"]}
    assert {body["data"]["batch_index"]: body["type"] for body in bodies} == {
        0: "job.succeeded",
        1: "job.failed",
        2: "job.cancelled",
    }
    withdraw(stack, webhook)


@pytest.mark.full
def test_what_was_not_taken_comes_again_and_a_rotated_secret_signs_beside_the_old_one(
    stack: LiveStack, origin: OrderedOrigin
) -> None:
    webhook = register(stack, origin.on("/flaky", Reply(500), Reply()))
    rotated = stack.client.post(f"/v1/webhooks/{webhook['id']}/rotate-secret").json()
    stack.client.post(f"/v1/webhooks/{webhook['id']}/test")
    until(lambda: origin.hits("/flaky") == 2, within_s=WITHIN_S, what="the second try")
    first, second = origin.requests("/flaky")
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert all(is_signed(second, secret) for secret in (webhook["secret"], rotated["secret"]))
    withdraw(stack, webhook)


@pytest.mark.full
def test_no_redirect_is_followed_and_no_private_address_asked(stack: LiveStack, origin: OrderedOrigin) -> None:
    target = origin.on("/target", Reply())
    away = register(stack, origin.on("/away", Reply(302, headers={"Location": target})))
    private = register(stack, "http://10.255.255.1/hook")
    for webhook, code in ((away, "redirected"), (private, "blocked_address")):
        stack.client.post(f"/v1/webhooks/{webhook['id']}/test")
        tries = until(lambda w=webhook: deliveries(stack, w)[0]["tries"], within_s=WITHIN_S, what=code)
        assert tries[0]["code"] == code
        withdraw(stack, webhook)
    assert origin.hits("/target") == 0


@pytest.mark.full
@pytest.mark.timeout(120)
def test_one_that_dies_between_sending_and_recording_has_it_sent_again_with_the_same_id(
    narrow: Narrow, origin: OrderedOrigin
) -> None:
    stack = narrow.stack
    webhook = register(stack, origin.on("/slow", Reply(delay_s=5), Reply()))
    stack.submit(text=TEXT, pipeline="extract")
    until(lambda: origin.hits("/slow") == 1, within_s=WITHIN_S, what="the first request")
    os.kill(_sender_pid(stack), signal.SIGKILL)
    until(lambda: origin.hits("/slow") == 2, within_s=TAKEN_AGAIN_WITHIN_S, what="the second request")
    first, second = origin.requests("/slow")
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    (delivery,) = until(lambda: _all_over(stack, webhook), within_s=WITHIN_S, what="the record")
    assert (delivery["id"], len(delivery["tries"])) == (second.headers["webhook-id"], 1)
    withdraw(stack, webhook)


def _sender_pid(stack: LiveStack) -> int:
    note = DataDir(stack.data_dir).running()
    assert note is not None
    return note.pids["webhooks"]
