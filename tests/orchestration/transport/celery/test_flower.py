"""Flower, where it is installed, sees workers and tasks: the same on the Streams transport as on the stock one.

Its page of queues is no part of this: it counts the elements of Redis lists, whatever the transport.
"""

import importlib.util
import os
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest

from tests.support.celery_fleet import ROOT, WIDE, WITHIN_S, Variant, own_server
from tests.support.ports import free_port
from tests.support.waiting import until

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(importlib.util.find_spec("flower") is None, reason="Flower is not installed"),
]


@pytest.fixture(params=["streams", "lists"])
def fleet(request, tmp_path):
    with own_server(Variant(request.param), tmp_path) as fleet:
        fleet.start_worker(WIDE, "parity", 2)
        yield fleet


def test_flower_sees_workers_and_tasks_and_can_tell_workers_what_to_do(fleet):
    with flower(fleet) as http:
        until(lambda: WIDE in workers(http), within_s=WITHIN_S, what="Flower to see the worker")
        result = fleet.send("add", 1, 1)
        until(lambda: state(http, result.id) == "SUCCESS", within_s=WITHIN_S, what="Flower to see the task end")
        reply = http.post(f"/api/worker/queue/add-consumer/{WIDE}", params={"queue": "flowers"})
        assert reply.status_code == 200, reply.text
        assert fleet.run("add", 2, 2, queue="flowers") == 4


def workers(http):
    reply = http.get("/api/workers", params={"refresh": "1"})
    return reply.json() if reply.status_code == 200 else {}


def state(http, task_id):
    reply = http.get(f"/api/task/info/{task_id}")
    return reply.json()["state"] if reply.status_code == 200 else None


@contextmanager
def flower(fleet):
    port = free_port()
    command = [sys.executable, "-m", "celery", "--app", "tests.support.parity_app", "flower", f"--port={port}"]
    environ = {**os.environ, **fleet.environ, "FLOWER_UNAUTHENTICATED_API": "true"}
    with (fleet.folder / "flower.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=WITHIN_S, trust_env=False) as http:
            until(lambda: answers(http), within_s=WITHIN_S, what="Flower to answer")
            yield http
    finally:
        process.kill()
        process.wait()


def answers(http):
    try:
        return http.get("/healthcheck").status_code == 200
    except httpx.TransportError:
        return False
