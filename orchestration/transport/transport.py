"""The transport that kombu is given."""

from __future__ import annotations

import re
from typing import Any

import redis.exceptions

from orchestration.transport.channel import Channel
from orchestration.transport.poller import Poller
from orchestration.transport.stock import stock

# kombu's own masking takes no URL with several hosts.
_SECRETS = re.compile(r"((?<=://)[^:@/]*:(?=[^@/]*@)|(?<=[?&])password=)[^@/&]+")


class Transport(stock.Transport):  # type: ignore[misc]
    """Celery's broker over Redis Streams; Redis ≥ 7.0 or Valkey."""

    Channel = Channel
    # kombu would lose the TLS options of rediss:// and all but one host of sentinel://.
    can_parse_url = True

    implements = stock.Transport.implements.extend(batch_publish=False)
    supports_batch_publish = False
    # After a failover the old connection may lead to what is now a replica.
    connection_errors = (*stock.Transport.connection_errors, redis.exceptions.ReadOnlyError)

    def __init__(self, client: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(client, *args, **kwargs)
        self.cycle = Poller()
        # kombu would fail over to the next part of the URL, and with it to the transport of that part's scheme.
        client.cycle = None

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Let Celery's event loop poll our connections."""
        super().register_with_event_loop(connection, _ReadersOnce(loop))
        self.cycle.wake_after = lambda delay_s: loop.call_later(delay_s, _nothing)

    def as_uri(self, uri: str, include_password: bool = False, mask: str = "**") -> str:
        """The URL for people to read."""
        return uri if include_password else _SECRETS.sub(rf"\g<1>{mask}", uri)


def _nothing() -> None:
    """What a timer calls that shall only wake the loop."""


class _ReadersOnce:
    """The event loop, except that a reader it has is not added again before each poll."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def add_reader(self, fd: int, callback: Any, *args: Any) -> None:
        if fd not in self._loop.readers:
            self._loop.add_reader(fd, callback, *args)
