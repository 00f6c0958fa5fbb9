"""What the readers of names give: a mention of somebody, something or somewhere."""

from typing import Literal, NamedTuple

NameKind = Literal["person", "organization", "place", "other"]


class Mention(NamedTuple):
    """One use of a name."""

    name: str
    kind: NameKind
