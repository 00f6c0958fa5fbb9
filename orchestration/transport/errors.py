"""What can go wrong between us and the server.

    redis.exceptions.ConnectionError
    └── BrokerFull      the server is out of memory and takes no messages
    NotAMessage         somebody else put an entry into a stream of ours; it is set aside, and nobody sees this

Everything else is redis-py's own: kombu and Celery know these and retry.
"""

from redis.exceptions import ConnectionError as RedisConnectionError


class BrokerFull(RedisConnectionError):
    """The server reached `maxmemory` and takes no messages until some were worked off; raise its limit, or wait."""


class NotAMessage(Exception):
    """An entry of a stream is not of our making."""
