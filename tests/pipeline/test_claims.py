from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.claims import claim_for, is_payload_key, verified
from pipeline.errors import PayloadCorrupt

KEY = "default/0198/1/fetch.0"


@given(st.binary())
def test_a_claim_says_what_was_stored(data: bytes) -> None:
    claim = claim_for(KEY, data, "text/plain")
    digest = sha256(data).hexdigest()
    assert (claim.key, claim.sha256, claim.size) == (f"{KEY}-{digest}", digest, len(data))
    assert verified(claim, data) == data


@given(st.binary(), st.binary())
def test_anything_else_is_refused(data: bytes, other: bytes) -> None:
    claim = claim_for(KEY, data, "text/plain")
    if other != data:
        with pytest.raises(PayloadCorrupt):
            verified(claim, other)


@pytest.mark.parametrize(
    "key", ["", "a", "/a/b", "a/../b", "a/.b", "a//b", "a/b/", "a/b\n", "a\\b/c", "a/" + "b" * 201]
)
def test_what_could_lead_out_of_the_store_is_no_key(key: str) -> None:
    assert not is_payload_key(key)
    with pytest.raises(ValueError, match="payload key"):
        claim_for(key, b"", "text/plain")
