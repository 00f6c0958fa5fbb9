"""The services of a deployment, for commands that ask or change what it has recorded."""

from orchestration.settings import Settings
from orchestration.wiring import Wiring


def opened(settings: Settings) -> Wiring:
    """The services, to be closed. Raises `RecordsUnavailable` unless the database answers and has this schema."""
    wiring = Wiring(settings)
    wiring.records.check()
    return wiring
