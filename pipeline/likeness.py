"""Which jobs are alike: they read the same and do the same to it."""

import json
from collections.abc import Sequence
from hashlib import sha256

from stages.contract import Options


def likeness(
    stages: Sequence[str],
    options: Options,
    *,
    url: str | None,
    body_sha256: str | None,
    content_type: str | None,
    name: str | None,
) -> str:
    """The same 64 characters for all jobs that are alike.

    How old a page may be is no part of what is done to it; whether it is rendered is said by the stages.
    """
    said = [
        list(stages),
        options.model_dump(mode="json", exclude={"max_age_s", "render"}),
        url,
        body_sha256,
        content_type,
        name,
    ]
    return sha256(json.dumps(said).encode()).hexdigest()
