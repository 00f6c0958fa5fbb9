"""What can go wrong between us and the server.

    redis.exceptions.ConnectionError
    └── BrokerFull      the server is out of memory and takes no messages

Everything else is redis-py's own: kombu and Celery know these and retry.
"""

from redis.exceptions import ConnectionError as RedisConnectionError


class BrokerFull(RedisConnectionError):
    """The server reached `maxmemory` and takes no messages until some were worked off; raise its limit, or wait."""
