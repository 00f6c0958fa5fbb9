"""Every code that a request can be refused with has a place in the tree of the client's errors."""

import re
from pathlib import Path

import pytest

from api.client import errors
from api.client.errors import BY_CODE, BY_STATUS, ApiError, InputExpired, PenstockError, api_error

ROOT = Path(__file__).parents[3]
TABLE = re.findall(
    r"^\| \*\*([a-z_]+)\*\* \| (\d+)[^|]*\|", (ROOT / "docs" / "reference" / "errors.md").read_text(), re.MULTILINE
)
KINDS = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, PenstockError)
}


@pytest.mark.parametrize(("code", "status"), TABLE)
def test_a_code_has_an_error_of_its_own_or_of_its_status(code, status):
    error = api_error(int(status), {"code": code, "detail": "Because."})
    assert isinstance(error, BY_STATUS.get(int(status), ApiError))
    assert (error.status, error.code, error.detail) == (int(status), code, "Because.")


def test_codes_with_errors_of_their_own_are_codes_of_the_service():
    assert set(BY_CODE) <= {code for code, _ in TABLE}


def test_the_tree_at_the_head_of_the_file_is_the_tree():
    drawn = {}
    for line in errors.__doc__.splitlines():
        if found := re.match(r"([│ ]*)[├└]── (\w+)", line):
            drawn[found[2]] = len(found[1]) // 4
    depth = {name: len(kind.__mro__) - len(PenstockError.__mro__) - 1 for name, kind in KINDS.items()}
    assert drawn == {name: level for name, level in depth.items() if name != "PenstockError"}


def test_what_a_proxy_answers_is_an_error_all_the_same():
    assert str(api_error(599, {})) == "An answer without a reason (599 http_error)"
    assert api_error(409, {"code": "input_expired", "earliest_stage": "fetch"}).earliest_stage == "fetch"
    assert isinstance(api_error(409, {"code": "input_expired"}), InputExpired)
