"""One connection to the server whose commands and replies we pair ourselves."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from redis.exceptions import NoScriptError, ReadOnlyError

from orchestration.transport.scripts import Argument, Script

Pool = Any
"""A connection pool of redis-py."""


class Line:
    """A connection that is made when it is first needed, and again after it broke.

    redis-py's client would add a retry loop, a lock and a lookup to every command; this is on the path of every
    message.
    """

    def __init__(self, pool: Callable[[], Pool]) -> None:
        """`pool` is asked for a connection in the process that uses it: none is inherited through a fork."""
        self._pool = pool
        self._home: Pool = None
        self._pid = 0
        # Public and without effects: kombu's poller looks at it, also while connecting fails.
        self.connection: Any = None

    def open(self) -> None:
        """Connect, unless there is a connection. Raises redis-py's errors when the server does not answer."""
        if self.connection is None or self._pid != os.getpid():
            self._home, self._pid = self._pool(), os.getpid()
            self.connection = self._home.get_connection()
        elif self.connection._sock is None:
            self.connection.connect()

    @property
    def is_open(self) -> bool:
        """Whether there is a socket."""
        return self.connection is not None and self.connection._sock is not None

    def is_on(self, connection: object) -> bool:
        """Whether this is our connection."""
        return self.connection is connection

    def send(self, *command: Argument, check_health: bool = False) -> None:
        """Write one command and do not wait."""
        self.open()
        connection = self.connection
        connection.send_packed_command(connection.pack_command(*command), check_health=check_health)

    def read(self) -> Any:
        """The next reply. Raises redis-py's errors; after any but a `ResponseError` the connection is closed."""
        try:
            # The default of connections that sentinels manage is to stay open.
            return self.connection.read_response(disconnect_on_error=True)
        except ReadOnlyError:
            # The master became a replica: the next connection will be to another.
            self.close()
            raise

    def ask(self, *command: Argument) -> Any:
        """Send a command and wait for its reply."""
        # A connection that idled may be dead without knowing.
        self.send(*command, check_health=True)
        return self.read()

    def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument] = ()) -> Any:
        """Run a script and wait for what it returns."""
        command = script.command(keys, arguments)
        try:
            return self.ask(*command)
        except NoScriptError:
            self.load(script)
            return self.ask(*command)

    def load(self, script: Script) -> None:
        """Make the server know a script, again after it restarted or was told to forget."""
        self.ask("SCRIPT", "LOAD", script.source)

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        if self.connection is not None and self._pid == os.getpid():
            # Before it is forgotten: the poller has to know whose it was.
            self.connection.disconnect()
            # A pool counts what it gave out, and gives out no more than so many.
            self._home.release(self.connection)
        self.connection = None
