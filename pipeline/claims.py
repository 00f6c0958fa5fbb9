"""Making claims and checking them: what every payload store does alike."""

import re
from hashlib import sha256

from pipeline.errors import PayloadCorrupt
from pipeline.ids import Claim

_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}"
_KEY = re.compile(rf"{_SEGMENT}(/{_SEGMENT})+")


def is_payload_key(key: str) -> bool:
    """Whether this can be the key of an object: at least two plain names, so never a path out of the store.

    >>> [is_payload_key(key) for key in ("t/j/1/fetch.0", "t/../secret", "/etc/passwd", "t//j", "t")]
    [True, False, False, False, False]
    """
    return _KEY.fullmatch(key) is not None


def claim_for(key: str, data: bytes, media_type: str) -> Claim:
    """The claim of an object about to be stored. Raises `ValueError` when the key is not well formed.

    >>> claim_for("t/j/1/fetch.0", b"", "text/plain").key[:22]
    't/j/1/fetch.0-e3b0c442'
    """
    return claim_of(key, sha256(data).hexdigest(), len(data), media_type)


def claim_of(key: str, digest: str, size: int, media_type: str) -> Claim:
    """The claim of an object with this SHA-256 in hex. Raises `ValueError` when the key is not well formed."""
    if not is_payload_key(key):
        raise ValueError(f"{key!r} is not a payload key")
    return Claim(f"{key}-{digest}", digest, size, media_type)


def verified(claim: Claim, data: bytes) -> bytes:
    """The data, if it is what was claimed; raises `PayloadCorrupt`."""
    if len(data) != claim.size or sha256(data).hexdigest() != claim.sha256:
        raise PayloadCorrupt(claim.key)
    return data
