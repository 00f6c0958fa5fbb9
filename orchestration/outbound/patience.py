"""When to give up on a host that answers, but so slowly that its answer would never end."""

from math import inf

from stages.contract import Clock


class Patience:
    """A deadline that moves on while an answer comes: first for its head, then for each further piece of its body.

    - `stretch_s`: from the request to the end of the headers, interim answers (1xx) included; and then for each piece.
    - `least_bytes_per_s`: a piece is what comes in `stretch_s` at this rate, as transferred. An answer may end before.
    """

    def __init__(self, clock: Clock, stretch_s: float, least_bytes_per_s: float) -> None:
        self.deadline = inf
        """On the monotonic clock; none while no answer is awaited."""
        self._clock = clock
        self._stretch_s = stretch_s
        self._piece_bytes = stretch_s * least_bytes_per_s
        self._missing_bytes = 0.0

    def notice(self, event: str, _info: object) -> None:
        """Follow a request; this is httpcore's extension `trace`."""
        match event.partition(".")[2]:
            case "connect_tcp.started" | "response_closed.started":
                self.deadline = inf
            case "send_request_headers.started" | "receive_response_headers.complete":
                self._begin()

    def count(self, received_bytes: int) -> None:
        """Some of the body has come."""
        self._missing_bytes -= received_bytes
        if self._missing_bytes <= 0:
            self._begin()

    def _begin(self) -> None:
        self.deadline = self._clock.monotonic() + self._stretch_s
        self._missing_bytes = self._piece_bytes
