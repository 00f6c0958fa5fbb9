import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.outbound.inflate import MAX_RATIO, RATIO_FROM_BYTES, Body
from stages.contract import Permanent, StageError, Transient

Compress = Callable[[bytes], bytes]

ENCODINGS: dict[str, tuple[str, Compress]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZip", gzip.compress),
    "members": ("gzip", lambda data: gzip.compress(data[:5]) + gzip.compress(b"") + gzip.compress(data[5:])),
    "zlib": ("deflate", zlib.compress),
    "raw": ("deflate", lambda data: zlib.compress(data, wbits=-15)),
    "identity": ("identity", bytes),
    "none": ("", bytes),
}


def receive(encoding: str, wire: bytes, *, step: int = 7, max_wire: int = 10**6, max_decoded: int = 10**6) -> bytes:
    body = Body(encoding, max_wire_bytes=max_wire, max_decoded_bytes=max_decoded)
    for start in range(0, len(wire), step):
        body.feed(wire[start : start + step])
    assert body.wire_bytes == len(wire)
    return body.finish()


@pytest.mark.parametrize("name", ENCODINGS)
@given(data=st.binary(max_size=500), step=st.integers(1, 600))
def test_what_was_compressed_comes_back_however_it_is_cut(name: str, data: bytes, step: int) -> None:
    encoding, compress = ENCODINGS[name]
    assert receive(encoding, compress(data), step=step) == data


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "gzip,deflate", "gzip;q=1"])
def test_other_and_repeated_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(Permanent, match="unsupported_encoding"):
        Body(encoding, max_wire_bytes=1, max_decoded_bytes=1)


@pytest.mark.parametrize("name", ["gzip", "zlib", "raw"])
def test_a_bomb_is_stopped_before_it_is_inflated(name: str) -> None:
    encoding, compress = ENCODINGS[name]
    wire = compress(bytes(200 * 1024 * 1024))
    body = Body(encoding, max_wire_bytes=len(wire), max_decoded_bytes=1024 * 1024)
    tracemalloc.start()
    with pytest.raises(Permanent, match="too_large"):
        body.feed(wire)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 1024 * 1024


@pytest.mark.parametrize(("ratio", "outcome"), [(MAX_RATIO - 20, "fits"), (2 * MAX_RATIO, "too_large")])
def test_a_ratio_is_a_bomb_before_its_size_is(ratio: int, outcome: str) -> None:
    noise = Random(7).randbytes(16 * 1024)
    wire = gzip.compress(noise + bytes(ratio * len(noise)))
    assert _outcome("gzip", wire, step=1024, max_wire=10**7, max_decoded=10**8) == outcome


def test_a_short_page_may_have_any_ratio() -> None:
    assert _outcome("gzip", gzip.compress(bytes(RATIO_FROM_BYTES)), max_decoded=10**7) == "fits"


def test_a_bomb_of_many_members_is_stopped() -> None:
    with pytest.raises(Permanent, match="too_large"):
        receive("gzip", gzip.compress(bytes(10_000)) * 20, step=10_000, max_decoded=50_000)


@pytest.mark.parametrize(("size", "fits"), [(1000, True), (1001, False)])
@pytest.mark.parametrize("name", ENCODINGS)
def test_the_decoded_limit_is_exact(name: str, size: int, fits: bool) -> None:
    encoding, compress = ENCODINGS[name]
    assert _outcome(encoding, compress(bytes(size)), max_decoded=1000) == ("fits" if fits else "too_large")


@pytest.mark.parametrize(("size", "outcome"), [(1000, "fits"), (1001, "too_large")])
def test_the_wire_limit_is_exact(size: int, outcome: str) -> None:
    assert _outcome("", bytes(size), max_wire=1000) == outcome


@pytest.mark.parametrize("name", ["gzip", "zlib", "raw"])
def test_damaged_and_truncated_data_is_a_protocol_error(name: str) -> None:
    encoding, compress = ENCODINGS[name]
    wire = compress(b"some words " * 100)
    for broken in (wire[:-1], wire[: len(wire) // 2], wire[:1], wire[:12] + b"\xff" * 20):
        with pytest.raises(Transient, match="protocol_error"):
            receive(encoding, broken)


def test_padding_after_the_last_member_is_ignored() -> None:
    assert receive("gzip", gzip.compress(b"text") + bytes(100), step=9) == b"text"


def _outcome(encoding: str, wire: bytes, **limits: int) -> str:
    try:
        receive(encoding, wire, **limits)
    except StageError as error:
        return error.code
    return "fits"
