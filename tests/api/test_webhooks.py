import base64
import json
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline.webhooks import SECRETS_OVERLAP, document
from tests.support.api import Api, problem_of
from tests.support.webhooks import refused

UNKNOWN = "01a1fb67-1800-7226-b63c-5ab791b7584a"
LATER = "2026-06-01T00:00:00Z"
URL = "https://receiver.example/hook?token=abc"


@pytest.fixture(autouse=True)
def _with_a_key(api: Api) -> None:
    api.wiring.settings = api.wiring.settings.model_copy(update={"secret_key": SecretStr("k" * 32)})


def create(api: Api, **body: Any) -> Any:
    api.clock.advance(0.001)
    answer = api.client.post("/v1/webhooks", json={"url": URL, **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_webhook_is_made_with_a_secret_that_is_shown_once(api: Api) -> None:
    answer = api.client.post("/v1/webhooks", json={"url": URL, "description": "Ops"})
    made = answer.json()
    assert answer.headers["location"] == f"/v1/webhooks/{made['id']}"
    secret = made.pop("secret")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert made == api.client.get(answer.headers["location"]).json()
    assert {name: made[name] for name in ("url", "events", "description", "enabled", "disabled_reason")} == {
        "url": URL,
        "events": ["job.succeeded", "job.failed", "job.cancelled"],
        "description": "Ops",
        "enabled": True,
        "disabled_reason": None,
    }
    kept = api.records.inner.webhook("default", made["id"])
    assert secret not in repr(vars(api.records.inner))
    assert kept.sealed not in repr(kept)
    assert secret not in api.client.get("/v1/webhooks").text


def test_webhooks_are_listed_in_pages_the_newest_first(api: Api) -> None:
    ids = [create(api)["id"] for _ in range(3)]
    first = api.client.get("/v1/webhooks?limit=2").json()
    assert [each["id"] for each in first["items"]] == ids[:0:-1]
    second = api.client.get(first["next"]).json()
    assert ([each["id"] for each in second["items"]], second["next"]) == (ids[:1], None)


def test_what_is_given_is_changed(api: Api) -> None:
    made = create(api)
    url = f"/v1/webhooks/{made['id']}"
    changed = api.client.patch(url, json={"events": ["job.failed", "job.failed"], "enabled": False}).json()
    assert (changed["events"], changed["enabled"], changed["url"]) == (["job.failed"], False, URL)
    assert api.client.patch(url, json={}).json() == changed == api.client.get(url).json()


def test_an_erased_webhook_is_gone(api: Api) -> None:
    url = f"/v1/webhooks/{create(api)['id']}"
    assert (api.client.delete(url).status_code, api.client.get(url).status_code) == (204, 404)


def test_a_rotated_secret_is_another_and_the_one_before_signs_on(api: Api) -> None:
    made = create(api)
    rotated = api.client.post(f"/v1/webhooks/{made['id']}/rotate-secret").json()
    assert rotated["secret"] != made["secret"]
    until = (api.clock.now() + SECRETS_OVERLAP).isoformat().replace("+00:00", "Z")
    assert rotated["previous_secret_until"] == until


def test_deliveries_show_what_has_become_of_them(api: Api) -> None:
    made = create(api)
    job_id = api.submit()
    api.fail(job_id)
    (delivery,) = api.client.get(made["deliveries_url"]).json()["items"]
    assert (delivery["event"], delivery["job_id"], delivery["run"]) == ("job.failed", job_id, 1)
    assert (delivery["status"], delivery["attempts"], delivery["tries"]) == ("pending", 0, [])
    parcel = api.records.claim_delivery(made["id"], lease_s=15)
    api.records.settle(parcel, refused(None))
    (after,) = api.client.get(made["deliveries_url"]).json()["items"]
    assert (after["status"], after["attempts"], after["next_try_at"]) == ("failed", 1, None)
    assert [(each["status"], each["code"]) for each in after["tries"]] == [(500, "not_accepted")]
    assert api.client.get(f"/v1/webhooks/{made['id']}").json()["failing_since"] is not None


def test_a_receiver_is_told_what_a_listing_shows(api: Api) -> None:
    made = create(api)
    item = {"url": "https://example.org/", "tags": ["a"], "metadata": {"k": "v"}, "delay_s": 1, "expires_at": LATER}
    batch = api.client.post("/v1/batches", json={"items": [{}, item]}).json()
    api.clock.advance(1)
    api.keep()
    (listed,) = api.client.get(f"{batch['url']}/jobs").json()["items"]
    api.fail(listed["id"])
    (listed,) = api.client.get(f"{batch['url']}/jobs").json()["items"]
    parcel = api.records.claim_delivery(made["id"], lease_s=15)
    told = document(parcel.delivery, api.records.job("default", listed["id"], 1))["data"]
    assert json.loads(json.dumps(told).replace("+00:00", "Z")) == {**listed, "url": f"{listed['url']}?run=1"}
    assert (told["batch_id"], told["batch_index"], told["tags"]) == (batch["id"], 1, ["a"])


def test_deliveries_are_listed_in_pages(api: Api) -> None:
    made = create(api)
    for _ in range(3):
        api.fail(api.submit())
    first = api.client.get(f"{made['deliveries_url']}?limit=2").json()
    second = api.client.get(first["next"]).json()
    assert (len(first["items"]), len(second["items"]), second["next"]) == (2, 1, None)


def test_a_delivery_is_sent_again_on_demand(api: Api) -> None:
    made = create(api)
    api.fail(api.submit())
    (delivery,) = api.client.get(made["deliveries_url"]).json()["items"]
    api.records.settle(api.records.claim_delivery(made["id"], lease_s=15), refused(None))
    answer = api.client.post(f"{made['deliveries_url']}/{delivery['id']}/redeliver")
    assert answer.status_code == 202
    assert (answer.json()["id"], answer.json()["status"], len(answer.json()["tries"])) == (delivery["id"], "pending", 1)


def test_a_test_is_a_delivery(api: Api) -> None:
    made = create(api)
    answer = api.client.post(f"/v1/webhooks/{made['id']}/test")
    assert answer.status_code == 202
    assert (answer.json()["event"], answer.json()["job_id"]) == ("webhook.test", None)
    assert api.client.get(made["deliveries_url"]).json()["items"] == [answer.json()]


@pytest.mark.parametrize("webhook_id", [UNKNOWN, "nope"])
def test_what_is_not_there_is_not_found(api: Api, webhook_id: str) -> None:
    url = f"/v1/webhooks/{webhook_id}"
    client = api.client
    for answer in (
        client.get(url),
        client.patch(url, json={}),
        client.delete(url),
        client.get(f"{url}/deliveries"),
        client.post(f"{url}/test"),
        client.post(f"{url}/rotate-secret"),
        client.post(f"{url}/deliveries/{UNKNOWN}/redeliver"),
    ):
        assert (answer.status_code, problem_of(answer)["code"]) == (404, "webhook_not_found")
    answer = client.post(f"{create(api)['deliveries_url']}/{webhook_id}/redeliver")
    assert (answer.status_code, problem_of(answer)["code"]) == (404, "delivery_not_found")


def test_nothing_is_sent_to_a_disabled_one(api: Api) -> None:
    made = create(api)
    api.fail(api.submit())
    (delivery,) = api.client.get(made["deliveries_url"]).json()["items"]
    api.client.patch(f"/v1/webhooks/{made['id']}", json={"enabled": False})
    for path in ("test", f"deliveries/{delivery['id']}/redeliver"):
        answer = api.client.post(f"/v1/webhooks/{made['id']}/{path}")
        assert (answer.status_code, problem_of(answer)["code"]) == (409, "webhook_disabled")


def test_without_a_key_there_are_no_webhooks(api: Api) -> None:
    api.wiring.settings = api.wiring.settings.model_copy(update={"secret_key": None})
    answer = api.client.post("/v1/webhooks", json={"url": URL})
    assert (answer.status_code, problem_of(answer)["code"]) == (501, "no_secret_key")
    assert api.client.get("/v1/webhooks").json()["items"] == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "url: Field required"),
        ({"url": "receiver.example"}, "url: "),
        ({"url": "ftp://receiver.example/"}, "Only http and https"),
        ({"url": "https://user:hunter2@receiver.example/"}, "user name or password"),
        ({"url": URL, "events": []}, "at least 1 item"),
        ({"url": URL, "events": ["job.queued"]}, "events.0"),
        ({"url": URL, "description": "x" * 501}, "at most 500"),
        ({"url": URL, "description": "\0"}, "description"),
        ({"url": URL, "description": "\ud800"}, "surrogate"),
        ({"url": URL, "secret": "whsec_mine"}, "secret"),
    ],
)
def test_what_makes_no_sense_is_refused(api: Api, body: dict[str, Any], message: str) -> None:
    # json= would refuse half a surrogate pair itself.
    about = {"Content-Type": "application/json"}
    answer = api.client.post("/v1/webhooks", content=json.dumps(body), headers=about)
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert message in problem["detail"]
    assert "hunter2" not in problem["detail"]


# named by a job


def told_of(api: Api, webhook: dict[str, Any]) -> list[str]:
    return [each["job_id"] for each in api.client.get(webhook["deliveries_url"]).json()["items"]]


@pytest.mark.parametrize("by", ["id", "url"])
def test_a_job_names_its_webhook(api: Api, by: str) -> None:
    hook = create(api, events=["job.succeeded"], only_named=True)
    assert hook["only_named"] is True
    job_id = api.submit(url="https://example.org/", webhook=hook[by])
    assert api.client.get(f"/v1/jobs/{job_id}").json()["webhook_id"] == hook["id"]
    api.submit(url="https://example.org/")
    api.fail(job_id)
    assert told_of(api, hook) == [job_id]


def test_a_webhook_that_is_not_registered_is_refused_without_its_url(api: Api) -> None:
    for name in ("https://other.example/?token=abc", UNKNOWN):
        answer = api.client.post("/v1/jobs", json={"text": "x", "webhook": name})
        assert (answer.status_code, problem_of(answer)["code"]) == (422, "unknown_webhook")
        assert "register" in answer.json()["detail"]
        assert name not in answer.text
    assert api.client.get("/v1/jobs").json()["items"] == []


def test_items_of_a_batch_name_theirs(api: Api) -> None:
    hook = create(api, only_named=True)
    items = [{"text": "x"}, {"text": "y", "webhook": UNKNOWN}]
    view = api.client.post("/v1/batches", json={"items": items, "defaults": {"webhook": URL}}).json()
    assert (view["accepted"], [each["code"] for each in view["rejected"]]) == (1, ["unknown_webhook"])
    (job,) = api.client.get(f"{view['url']}/jobs").json()["items"]
    api.client.delete(view["url"])
    assert told_of(api, hook) == [job["id"]]


def test_a_schedule_keeps_the_id_and_not_the_url(api: Api) -> None:
    hook = create(api)
    asked = {"name": "daily", "cron": "0 7 * * *", "job": {"text": "x", "webhook": URL}}
    made = api.client.post("/v1/schedules", json=asked).json()
    assert made["job"]["webhook"] == hook["id"]
    firing = api.client.post(f"{made['url']}/run").json()
    assert api.client.get(f"/v1/jobs/{firing['job_id']}").json()["webhook_id"] == hook["id"]
    asked["job"] = {"text": "x", "webhook": UNKNOWN}
    assert api.client.post("/v1/schedules", json=asked).json()["code"] == "unknown_webhook"


def test_sources_and_digests_name_theirs(api: Api) -> None:
    hook = create(api)
    body = {"source": {"url": "https://example.org/"}, "digest": True, "defaults": {"webhook": URL}}
    view = api.client.post("/v1/batches", json=body).json()
    batch = api.records.batch("default", view["id"])
    assert batch.plan.job["webhook"] == batch.digest_order["webhook"] == hook["id"]


def test_jobs_that_differ_in_their_webhook_are_alike(api: Api) -> None:
    create(api)
    job_id = api.submit(text="x")
    api.finish(job_id, "fetch", "extract", "summarize", "store")
    again = {"text": "x", "webhook": URL, "dedupe": {"max_age_s": 3600}}
    assert api.client.post("/v1/jobs", json=again).json()["id"] == job_id


def test_only_named_can_be_changed(api: Api) -> None:
    made = create(api)
    url = f"/v1/webhooks/{made['id']}"
    assert api.client.patch(url, json={"only_named": True}).json()["only_named"] is True
