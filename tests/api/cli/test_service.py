"""Which service the command line asks."""

import platformdirs
import pytest
import typer

from api.cli.service import address_of
from api.client.errors import Unreachable


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory, beside a user's folder and a data directory on which nothing runs."""
    for name in ("api_url", "api_key"):
        monkeypatch.delenv(f"PENSTOCK_{name.upper()}", raising=False)
    monkeypatch.setenv("PENSTOCK_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(platformdirs, "user_config_path", lambda name: tmp_path / "user" / name)
    (tmp_path / "user" / "penstock").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def test_an_option_goes_before_the_environment_a_file_here_and_the_users_file(here, monkeypatch):
    with pytest.raises(Unreachable, match="none runs on"):
        address_of(None)
    (here.parent / "user" / "penstock" / "penstock.toml").write_text(
        'api_url = "http://user.example"\napi_key = "from-user"'
    )
    assert address_of(None) == {"url": "http://user.example", "api_key": "from-user"}
    (here / "penstock.toml").write_text('api_url = "http://here.example"')
    assert address_of(None) == {"url": "http://here.example", "api_key": "from-user"}
    monkeypatch.setenv("PENSTOCK_API_URL", "http://environment.example")
    monkeypatch.setenv("PENSTOCK_API_KEY", "from-environment")
    assert address_of(None) == {"url": "http://environment.example", "api_key": "from-environment"}
    assert address_of("http://option.example")["url"] == "http://option.example"
    monkeypatch.setenv("PENSTOCK_API_URL", "")
    assert address_of(None)["url"] == "http://here.example"


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ('api_url = "localhost:8000"', "absolute"),
        ('api_url = "http://a"\napi_key = "secret\\n"', "visible ASCII"),
        ('api_ulr = "http://a"', "api_ulr"),
        ("api_url = http", "penstock.toml"),
        ('api_key = ["secret"]', "api_key"),
    ],
)
def test_a_file_that_makes_no_sense_ends_with_2_and_shows_no_secret(here, capsys, file, said):
    (here / "penstock.toml").write_text(file)
    with pytest.raises(typer.Exit) as ended:
        address_of(None)
    err = capsys.readouterr().err
    assert ended.value.exit_code == 2
    assert said in err
    assert "secret" not in err
