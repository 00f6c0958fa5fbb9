"""How commands find the service, and what its errors are to the shell."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import NoReturn, TypedDict

import platformdirs
import typer
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from api.cli.guard import BAD_USAGE, FAILED, settings_with
from api.cli.report import complain
from api.client import Penstock, PenstockError
from api.client.core import Core
from api.client.errors import InvalidRequest, NotFound, RateLimited, ResultLost, ServiceUnavailable, Unreachable
from orchestration.embedded.datadir import DataDir

UNAVAILABLE = 3
NOT_FOUND = 4
STATUS_OF = {
    InvalidRequest: BAD_USAGE,
    Unreachable: UNAVAILABLE,
    ServiceUnavailable: UNAVAILABLE,
    RateLimited: UNAVAILABLE,
    NotFound: NOT_FOUND,
    ResultLost: NOT_FOUND,
}
ANSWER_WITHIN_S = 10.0
"""How long a command tries to reach the service. One that follows jobs tries as long as a restart may take."""
FILE = "penstock.toml"


class Connection(BaseSettings):
    """Which service is meant: by an option, or else the environment, a file here, or the user's file."""

    model_config = SettingsConfigDict(
        env_prefix="PENSTOCK_", env_ignore_empty=True, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    api_url: str | None = None
    api_key: SecretStr | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the base class passes it by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The strongest first."""
        files = (Path(FILE), platformdirs.user_config_path("penstock") / FILE)
        return init_settings, env_settings, *(TomlConfigSettingsSource(settings_cls, file) for file in files)


class Address(TypedDict):
    """What a client is made with."""

    url: str
    api_key: str | None


def with_service(api_url: str | None, action: Callable[[Penstock], int | None]) -> int:
    """Ask the service; returns the exit status."""

    def ask(address: Address) -> int | None:
        with Penstock(**address, retry_within_s=ANSWER_WITHIN_S) as penstock:
            return action(penstock)

    return with_address(api_url, ask)


def with_address(api_url: str | None, action: Callable[[Address], int | None]) -> int:
    """The same for those who make a client of their own."""
    try:
        status = action(address_of(api_url)) or 0
        sys.stdout.flush()
    except PenstockError as error:
        complain(str(error))
        return status_of(error)
    except BrokenPipeError:
        # Nobody reads any more; Python would say so when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


def status_of(error: PenstockError) -> int:
    """The exit status for an error."""
    return next((status for kind, status in STATUS_OF.items() if isinstance(error, kind)), FAILED)


def address_of(api_url: str | None) -> Address:
    """Where the service is: as named, or else where the stack on the data directory says. Raises `Unreachable`."""
    connection = _connection(api_url)
    url = connection.api_url or _url_of_stack()
    key = None if connection.api_key is None else connection.api_key.get_secret_value()
    try:
        Core(url, key)
    except ValueError as error:
        _refuse(str(error))
    return Address(url=url, api_key=key)


def _connection(api_url: str | None) -> Connection:
    try:
        return Connection() if api_url is None else Connection(api_url=api_url)
    except ValidationError as error:
        _refuse("; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()))
    except TOMLDecodeError as error:
        _refuse(f"{FILE}: {error}")


def _refuse(reason: str) -> NoReturn:
    complain(reason)
    raise typer.Exit(BAD_USAGE) from None


def _url_of_stack() -> str:
    data_dir = settings_with().data_dir
    note = DataDir(data_dir).running()
    if note is None or note.api_url is None:
        raise Unreachable(f"no service is named and none runs on {data_dir}; start one with `penstock up`")
    return note.api_url
