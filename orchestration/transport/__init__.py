"""A kombu transport over Redis Streams: Celery on Redis that recovers from a dead worker within seconds.

    app.conf.update(broker_settings("redis://localhost/0", lease_s=5.0))

Knows nothing of Penstock. What is where:

    urls, connections, line   from a URL to a connection
    options, keys, envelope   what can be set; what everything is called in Redis; how a message is stored
    scripts                   every change of a queue, one Lua script each
    publisher                 appends, once
    reader, poller            read in lane order without waiting
    ledger, qos               what this process holds, and what becomes of it
    lease, member             that this process lives; recovery of what others held
    channel, transport        what kombu is given
    inspector                 questions about the broker
"""

from orchestration.transport.depth import Depth
from orchestration.transport.envelope import DELIVERY_COUNT, MESSAGE_ID
from orchestration.transport.errors import BrokerFull
from orchestration.transport.inspector import DeadLetter, Found, Inspector
from orchestration.transport.transport import Transport
from orchestration.transport.urls import broker_settings

__all__ = [
    "DELIVERY_COUNT",
    "MESSAGE_ID",
    "BrokerFull",
    "DeadLetter",
    "Depth",
    "Found",
    "Inspector",
    "Transport",
    "broker_settings",
]
