"""Every route of the app, whoever adds one: without a key, with the wrong scope, with another tenant's ids."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import SecretStr
from starlette.routing import Route

from api.app import create_app
from api.auth import OPEN_PATHS
from orchestration.settings import Settings
from orchestration.wiring import Wiring
from pipeline.keys import KeyScope
from tests.support.api import Api, problem_of

OF_ALL_TENANTS = ("/metrics", "/v1/queues", "/v1/workers", "/v1/breakers")
"""Where these paths begin; what is below them belongs to the operators."""
OF_ADMINS = (*OF_ALL_TENANTS, "/v1/webhooks")
"""Read by the scope `admin`, too; URLs of webhooks may hold tokens. What was delivered holds none."""
PAGES = {"/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"}
"""Any key opens them."""
BODIES = {
    ("POST", "/v1/jobs"): {"text": "Water falls."},
    ("POST", "/v1/jobs/{job_id}/replay"): {"from": "fetch"},
    ("POST", "/v1/jobs/bulk-actions"): {"action": "retry", "filter": {}},
    ("POST", "/v1/batches"): {"items": []},
    ("POST", "/v1/schedules"): {"name": "x", "interval_s": 60, "job": {"text": "Water falls."}},
    ("PATCH", "/v1/schedules/{schedule_id}"): {"name": "y"},
    ("POST", "/v1/webhooks"): {"url": "https://receiver.example/hook"},
    ("PATCH", "/v1/webhooks/{webhook_id}"): {"enabled": True},
}
PURGE = "?purge=true"
OF_OPERATORS = {"stage": "fetch", "breaker_id": "none"}


@dataclass(frozen=True)
class Operation:
    """What can be asked for, and the scope it needs; any key will do where there is none."""

    method: str
    path: str
    scope: str | None = None
    query: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.path}{self.query}"


def operations() -> Iterator[Operation]:
    app = create_app(Wiring(Settings()))
    described = app.openapi()["paths"]
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        assert isinstance(route, APIRoute | Route), f"{route} is of a kind that this test does not know"
        for method in sorted(context.methods or ()):
            path = str(context.path)
            if isinstance(route, APIRoute):
                yield from of_api(method, path, described[path][method.lower()].get("security", []))
            else:
                yield Operation(method, path)


def of_api(method: str, path: str, alternatives: list[dict[str, list[str]]]) -> Iterator[Operation]:
    scopes = list(chain.from_iterable(each["ApiKey"] for each in alternatives))
    if (method, path) == ("DELETE", "/v1/jobs/{job_id}"):
        assert scopes == ["submit", "admin"]
        yield Operation(method, path, "submit")
        yield Operation(method, path, "admin", PURGE)
    elif path in OPEN_PATHS:
        assert scopes == []
    else:
        assert len(scopes) == 1, f"{method} {path} needs exactly one scope, not {scopes}"
        yield Operation(method, path, scopes[0])


OPERATIONS = list(operations())
OF_API = [operation for operation in OPERATIONS if operation.scope is not None]
OF_ONE = [each for each in OF_API if "{" in each.path and not each.path.startswith(OF_ALL_TENANTS)]

every = pytest.mark.parametrize("operation", OPERATIONS, ids=str)
every_of_api = pytest.mark.parametrize("operation", OF_API, ids=str)
every_of_one = pytest.mark.parametrize("operation", OF_ONE, ids=str)


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Api:
    api = Api(monkeypatch, api_auth="required", secret_key=SecretStr("k" * 32))
    # A stream that is let in would not end.
    api.hub.close()
    return api


def ask(api: Api, operation: Operation, headers: dict[str, str], **ids: str):
    path = operation.path.format(**OF_OPERATORS, **ids) if ids else operation.path
    body = BODIES.get((operation.method, operation.path))
    return api.client.request(operation.method, path + operation.query, headers=headers, json=body)


def theirs(api: Api) -> dict[str, str]:
    """Ids of another tenant: of a job that failed, a bulk action, a batch, a schedule and a webhook that was told."""
    key = api.bearer(tenant_id="theirs")
    webhook = api.client.post("/v1/webhooks", json={"url": "https://receiver.example/hook"}, headers=key).json()
    job_id = api.client.post("/v1/jobs", json={"url": "https://example.org/"}, headers=key).json()["id"]
    api.fail(job_id)
    bulk = {"action": "retry", "ids": [job_id]}
    action_id = api.client.post("/v1/jobs/bulk-actions", json=bulk, headers=key).json()["id"]
    batch = {"items": [{"text": "Water falls."}]}
    batch_id = api.client.post("/v1/batches", json=batch, headers=key).json()["id"]
    schedule = {"name": "x", "interval_s": 60, "job": {"text": "Water falls."}}
    schedule_id = api.client.post("/v1/schedules", json=schedule, headers=key).json()["id"]
    (delivery,) = api.client.get(webhook["deliveries_url"], headers=key).json()["items"]
    told = {"webhook_id": webhook["id"], "delivery_id": delivery["id"]}
    return {"job_id": job_id, "action_id": action_id, "batch_id": batch_id, "schedule_id": schedule_id, **told}


def test_the_walk_meets_all_there_is() -> None:
    assert {operation.path for operation in OPERATIONS if operation.scope is None} == PAGES
    assert len(OF_API) > 15
    assert {operation.scope for operation in OF_API} == set(KeyScope)


def test_what_reads_needs_read_and_what_changes_does_not() -> None:
    for operation in OF_API:
        if not operation.path.startswith(OF_ADMINS):
            assert (operation.scope == "read") == (operation.method == "GET"), operation


def test_webhooks_are_for_administrators_but_what_was_delivered_may_be_read() -> None:
    needed = {(operation.method, operation.path): operation.scope for operation in OF_API}
    of_webhooks = {key: scope for key, scope in needed.items() if key[1].startswith("/v1/webhooks")}
    assert of_webhooks.pop(("GET", "/v1/webhooks/{webhook_id}/deliveries")) == "read"
    assert len(of_webhooks) > 7
    assert set(of_webhooks.values()) == {"admin"}


@every
def test_without_a_key_nothing_is_answered(guarded: Api, operation: Operation) -> None:
    answer = ask(guarded, operation, {})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert guarded.records.log == []


@every_of_api
def test_without_the_scope_nothing_is_done(guarded: Api, operation: Operation) -> None:
    others = ",".join(set(KeyScope) - {operation.scope})
    ids = theirs(guarded)
    guarded.records.log.clear()
    answer = ask(guarded, operation, guarded.bearer(others, tenant_id="theirs"), **ids)
    assert (answer.status_code, problem_of(answer)["code"]) == (403, "forbidden_scope")
    assert problem_of(answer)["detail"].endswith(f"{operation.scope}.")
    assert set(guarded.records.log) <= {"add_key", "key", "note_key_use"}


@every_of_api
def test_the_scope_alone_is_enough(guarded: Api, operation: Operation) -> None:
    ids = theirs(guarded)
    answer = ask(guarded, operation, guarded.bearer(operation.scope, tenant_id="theirs"), **ids)
    assert answer.status_code not in (401, 403)


@every_of_one
def test_what_is_another_tenants_is_not_found(guarded: Api, operation: Operation) -> None:
    answer = ask(guarded, operation, guarded.bearer(tenant_id="ours"), **theirs(guarded))
    assert answer.status_code == 404
    unknown = dict.fromkeys(theirs(guarded), "01a1fd20-974e-7463-a83b-e6c45a3d90b5")
    never = ask(guarded, operation, guarded.bearer(tenant_id="ours"), **unknown)
    assert problem_of(never)["code"] == problem_of(answer)["code"]


def test_what_is_another_tenants_is_not_listed_nor_acted_on(guarded: Api) -> None:
    ids, ours = theirs(guarded), guarded.bearer(tenant_id="ours")
    for path in ("/v1/jobs", "/v1/dead-letters", "/v1/batches", "/v1/schedules", "/v1/webhooks"):
        assert guarded.client.get(path, headers=ours).json()["items"] == []
    for meant in ({"ids": [ids["job_id"]]}, {"filter": {}}):
        bulk = {"action": "retry", "preview": True, **meant}
        preview = guarded.client.post("/v1/jobs/bulk-actions", json=bulk, headers=ours).json()
        assert preview == {"count": 0, "sample": []}


@pytest.mark.parametrize("path", sorted(PAGES))
def test_any_key_opens_the_documentation(guarded: Api, path: str) -> None:
    for scope in KeyScope:
        assert guarded.client.get(path, headers=guarded.bearer(scope)).status_code == 200


def test_a_path_that_is_none_tells_a_stranger_nothing(guarded: Api) -> None:
    for path in ("/v1/nothing", "/", "/healthz/", "//healthz", "/HEALTHZ"):
        assert guarded.client.get(path, follow_redirects=False).status_code == 401
