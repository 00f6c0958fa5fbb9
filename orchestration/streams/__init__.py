"""The event stream: one capped Redis Stream that all processes announce to and each API process follows.

announcer    appends events
completion   has the keeper announce what a process that died could not
window       the stream as one process remembers it
tail         follows the stream, over one connection, for the window
hub          lets any number of subscribers wait for what the window gets
"""

STREAM = "penstock:events"
ONCE = "penstock:announced:"
FIELD = "e"
"""Of an entry: the event as JSON; `TENANT` is not for clients."""
TENANT = "t"
