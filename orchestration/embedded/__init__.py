"""The whole stack on one machine, in one process tree that leaves nothing behind.

    supervisor ─┬─ guardian ── valkey-server     its own session; stopped last
                ├─ worker, one per stage
                ├─ keeper
                └─ whatever the caller adds, such as the API

Everybody but the supervisor holds the reading end of its lifeline: when the supervisor is gone, so are they.
"""
