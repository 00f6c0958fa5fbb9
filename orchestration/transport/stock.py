"""kombu's own Redis transport. The published stubs describe an older one, so it is used untyped."""

from typing import Any

import kombu.transport.redis

stock: Any = kombu.transport.redis
