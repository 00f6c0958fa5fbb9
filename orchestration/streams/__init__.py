"""The event stream: one capped Redis Stream that all processes announce to and each API process follows.

announcer    appends events
completion   has the keeper announce what a process that died could not
window       the stream as one process remembers it
tail         follows the stream, over one connection, for the window
deltas       tells texts that are being written, in a stream of their own
drafts       those texts as one process knows them
quiet        keeps those who tell from waiting for a Redis that is away
hub          lets any number of subscribers wait for what the window gets
"""

STREAM = "penstock:events"
DELTAS = "penstock:deltas"
ONCE = "penstock:announced:"
FIELD = "e"
"""Of an entry: the event as JSON; `TENANT` is not for clients."""
TENANT = "t"
