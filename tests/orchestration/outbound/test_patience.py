from math import inf

from orchestration.outbound.patience import Patience
from tests.support.tools import ManualClock


def begun(*events: str) -> tuple[Patience, ManualClock]:
    clock = ManualClock()
    patience = Patience(clock, stretch_s=10, least_bytes_per_s=1024)
    for event in events:
        patience.notice(f"http11.{event}", {})
    return patience, clock


def test_nothing_is_overdue_before_the_request_is_sent_nor_after_the_answer() -> None:
    patience, _clock = begun()
    assert patience.deadline == inf
    patience.notice("http11.send_request_headers.started", {})
    assert patience.deadline == 10
    for event in ("http11.response_closed.started", "connection.connect_tcp.started"):
        patience.notice("http11.send_request_headers.started", {})
        patience.notice(event, {})
        assert patience.deadline == inf


def test_the_body_has_its_own_time_and_the_head_none_of_it() -> None:
    patience, clock = begun("send_request_headers.started")
    clock.advance(9)
    patience.notice("http11.receive_response_headers.complete", {})
    assert patience.deadline == 19


def test_only_a_whole_piece_moves_the_deadline() -> None:
    patience, clock = begun("send_request_headers.started", "receive_response_headers.complete")
    clock.advance(4)
    patience.count(10 * 1024 - 1)
    assert patience.deadline == 10
    patience.count(1)
    assert patience.deadline == 14
    patience.count(5 * 1024)
    assert patience.deadline == 14
