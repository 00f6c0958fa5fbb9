import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from orchestration.sealing import Sealer, sealer_of
from orchestration.settings import Settings
from pipeline.errors import NoSecretKey
from tests.support.at_once import at_once

KEY = SecretStr("k" * 32)
ELSEWHERE = SecretStr("redis://redis:6379/0")


def test_what_was_sealed_is_opened_by_the_same_key_only() -> None:
    sealed = Sealer("one").seal("whsec_abc")
    assert "whsec_abc" not in sealed
    assert (Sealer("one").unseal(sealed), Sealer("other").unseal(sealed)) == ("whsec_abc", None)


def test_the_key_of_the_settings_goes_before_the_file(tmp_path: Path) -> None:
    sealed = sealer_of(Settings(data_dir=tmp_path, secret_key=KEY)).seal("x")
    assert Sealer(KEY.get_secret_value()).unseal(sealed) == "x"
    assert list(tmp_path.iterdir()) == []


def test_an_embedded_stack_makes_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new", broker_url=None, secret_key=None)
    sealers = at_once(*[lambda: sealer_of(settings)] * 4)
    assert [sealer.unseal(sealers[0].seal("x")) for sealer in sealers] == ["x"] * 4
    (path,) = (tmp_path / "new").iterdir()
    assert path == settings.secret_key_file
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text()) == 64


def test_without_a_key_nothing_can_be_sealed_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(NoSecretKey):
        sealer_of(Settings(data_dir=tmp_path, broker_url=ELSEWHERE, secret_key=None))
    assert list(tmp_path.iterdir()) == []
