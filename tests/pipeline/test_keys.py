from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.keys import ApiKey, KeyScope, KeyState, digest_of, is_key, prefix_of
from tests.support.tools import START

TEXT = "psk_0a1b2c3d_" + "x" * 43
KEY = ApiKey(
    id="id",
    tenant_id="default",
    name="laptop",
    prefix="0a1b2c3d",
    digest=digest_of(TEXT),
    scopes=frozenset({KeyScope.READ}),
    created_at=START,
    expires_at=START + timedelta(days=90),
)


def test_a_key_is_valid_until_it_expires() -> None:
    ages = (timedelta(0), timedelta(days=90) - timedelta(microseconds=1), timedelta(days=90))
    assert [KEY.state(START + age) for age in ages] == [KeyState.VALID, KeyState.VALID, KeyState.EXPIRED]


def test_a_key_without_an_end_does_not_expire() -> None:
    assert replace(KEY, expires_at=None).state(START + timedelta(days=10_000)) is KeyState.VALID


def test_a_revoked_key_is_revoked_whenever_that_was() -> None:
    for moment in (START, START + timedelta(days=1_000)):
        assert replace(KEY, revoked_at=START).state(moment) is KeyState.REVOKED


def test_only_the_whole_text_is_the_key() -> None:
    assert is_key(TEXT, KEY)
    assert not any(is_key(text, KEY) for text in (TEXT[:-1], TEXT + "x", TEXT.upper(), KEY.digest, KEY.prefix, ""))


@pytest.mark.parametrize("text", [TEXT, ""])
def test_nothing_is_a_key_that_there_is_not(text: str) -> None:
    assert not is_key(text, None)


@pytest.mark.parametrize(
    "text",
    [
        "psk_0a1b2c3d_" + "x" * 42,
        "psk_0a1b2c3d_" + "x" * 44,
        "psk_0A1B2C3D_" + "x" * 43,
        "psk_0a1b2c3_" + "x" * 43,
        "sk_0a1b2c3d_" + "x" * 43,
        "psk_0a1b2c3d_" + "x" * 43 + "\n",
        "psk_0a1b2c3d_" + "é" * 43,
        "psk_٠a1b2c3d_" + "x" * 43,
        "",
    ],
)
def test_what_has_not_the_form_of_a_key_has_no_prefix(text: str) -> None:
    assert prefix_of(text) is None


def test_a_key_shows_nothing_that_opens_it() -> None:
    assert KEY.digest not in repr(KEY)
    assert KEY.digest not in str([KEY])
