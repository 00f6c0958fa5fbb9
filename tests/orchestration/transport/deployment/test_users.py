"""A password, and a user who may do no more than the transport needs: see docs/reference/streams-acl.md."""

import signal
from pathlib import Path
from uuid import uuid4

import pytest
import redis
from kombu.exceptions import OperationalError

from orchestration.transport import Inspector
from tests.support.brokers import KINDS, Broker
from tests.support.celery_fleet import NARROW, WIDE, WITHIN_S, Fleet, Variant
from tests.support.parity_app import make_app
from tests.support.ports import free_port

DOCUMENT = Path(__file__).parents[4] / "docs/reference/streams-acl.md"
SINCE_REDIS_7_2 = "+client|setinfo"
PREFIX = "app:"
DB = 2


def rules():
    """What the document lets the user do."""
    words = DOCUMENT.read_text(encoding="utf-8").split("```")[1].split()
    assert words[:6] == ["ACL", "SETUSER", "worker", "on", ">PASSWORD", "resetkeys"]
    return words[5:]


def prefixed_rules():
    """The same with a global prefix and another database, as the document says how."""
    kept = [rule.replace("&/0.", f"&{PREFIX}/{DB}.") for rule in rules() if not rule.startswith("~")]
    return [*kept, f"~{PREFIX}*"]


@pytest.fixture(params=["valkey", pytest.param("redis7", marks=pytest.mark.full)])
def server(request, tmp_path):
    with Broker(KINDS[request.param].binary(), tmp_path, port=free_port()) as server:
        yield server


def log_in(server, granted, db):
    """The URL of a user who may do this and nothing else."""
    unknown = set() if knows_setinfo(server) else {SINCE_REDIS_7_2}
    server.run("ACL", "SETUSER", "worker", "on", ">p@ss", *(rule for rule in granted if rule not in unknown))
    return f"redis://worker:p%40ss@127.0.0.1:{server.port}/{db}"


def knows_setinfo(server):
    try:
        server.run("CLIENT", "SETINFO", "LIB-NAME", "test")
    except redis.ResponseError:
        return False
    return True


@pytest.mark.full
def test_the_documented_rules_let_a_fleet_do_all_it_needs(server, backend, tmp_path):
    url = log_in(server, rules(), db=0)
    with Fleet(Variant("streams"), tmp_path, url, backend.url, {"lease_s": 1.0}) as fleet:
        fleet.ensure_workers()
        use_everything(fleet)
    assert denied(server) == []


@pytest.mark.full
def test_with_a_prefix_the_rules_let_a_fleet_do_all_it_needs_and_no_more(server, backend, tmp_path):
    url = log_in(server, prefixed_rules(), DB)
    options = {"global_keyprefix": PREFIX, "client_name": "worker", "lease_s": 1.0}
    with Fleet(Variant("streams"), tmp_path, url, backend.url, options) as fleet:
        fleet.ensure_workers()
        use_everything(fleet)
    assert denied(server) == []
    assert listed() - used(server) <= {SINCE_REDIS_7_2.removeprefix("+")}


def denied(server):
    """What was refused to the user: the reason and the object."""
    with server.client() as client:
        return [(entry["reason"], entry["object"], entry["context"]) for entry in client.acl_log()]


def listed():
    """The documented commands."""
    return {rule.removeprefix("+") for rule in rules() if rule.startswith("+")}


def used(server):
    """The commands that were given."""
    with server.client() as client:
        return {name.removeprefix("cmdstat_") for name in client.info("commandstats")}


@pytest.mark.parametrize("user", ["worker:wrong@", ":wrong@", "nobody:p%40ss@"])
def test_a_wrong_password_is_refused(server, backend, user):
    log_in(server, rules(), db=0)
    server.run("CONFIG", "SET", "requirepass", "right")
    app = make_app("streams", server.url.replace("redis://", f"redis://{user}"), backend.url, max_retries=0)
    with pytest.raises(OperationalError, match=r"(?i)WRONGPASS|invalid username-password"):
        app.tasks["add"].apply_async((1, 1), retry=False)
    app.close()


@pytest.mark.full
def test_a_password_without_a_user_opens_a_server_that_demands_one(server, backend, tmp_path):
    server.run("CONFIG", "SET", "requirepass", "p@ss")
    url = server.url.replace("redis://", "redis://:p%40ss@")
    with Fleet(Variant("streams"), tmp_path, url, backend.url) as fleet:
        fleet.start_worker(NARROW, "parity", 1, "--without-mingle", "--without-gossip")
        assert fleet.run("add", 1, 1) == 2


def use_everything(fleet):
    assert fleet.run("add", 1, 1, priority=3) == 2
    assert fleet.run("retrying", str(uuid4()), 1, 0.1) == 1
    assert fleet.run("rejecting", str(uuid4()), True) is True
    assert fleet.run("echo", "later", countdown=0.1) == "later"
    assert fleet.inspect(WIDE, NARROW).ping().keys() == {WIDE, NARROW}
    use_queues(fleet, str(uuid4()))
    watch_events(fleet)
    use_inspector(fleet)
    assert fleet.size("parity") == 0
    lose_worker(fleet, str(uuid4()))


def use_queues(fleet, label):
    """Purge one whose first message is in work, and delete it."""
    fleet.consume("extra", NARROW)
    result = fleet.send("hold_late", label, queue="extra")
    fleet.wait_noted(label, 1)
    fleet.send("note", label, "purged", queue="extra")
    fleet.tell("cancel_consumer", NARROW, queue="extra")
    with fleet.app.connection_for_write() as connection:
        queue = fleet.app.amqp.queues["extra"](connection.default_channel)
        assert queue.purge() == 1
        fleet.release(label)
        result.get(timeout=WITHIN_S)
        queue.delete()


def watch_events(fleet):
    with fleet.app.connection_for_read() as connection:
        events = fleet.app.events.Receiver(connection, handlers={"*": lambda _event: None})
        events.capture(limit=1, timeout=WITHIN_S)


def use_inspector(fleet):
    with fleet.app.connection_for_read() as connection, Inspector(connection) as inspector:
        assert inspector.incarnation()
        assert inspector.depth("parity").ready == 0
        assert inspector.find("parity", ["none"]).complete
        assert inspector.dead_letters("parity") == []
        inspector.discard_dead_letters("parity", ["1-1"])


def lose_worker(fleet, label):
    """Its message comes to another."""
    worker = fleet.start_worker("lost@parity", "lost")
    fleet.send("hold_late", label, queue="lost")
    fleet.wait_noted(label, 1)
    worker.process.send_signal(signal.SIGKILL)
    worker.process.wait()
    fleet.consume("lost", WIDE)
    fleet.wait_noted(label, 2)
    fleet.release(label, 2)
