"""All knobs, read from the environment once. The only reader of the environment, but for how a client finds its
service (`api/cli/service.py`).

Every field is set by `PENSTOCK_` and its name in capitals; `docs/reference/settings.md` lists them.
"""

import hashlib
import os
import re
import tempfile
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from orchestration.outbound.prices import Prices, parse_prices
from pipeline.budgets import Limits, micros_of
from pipeline.tenants import Quotas

MAX_MONEY = 10**9
MAX_SOCKET_PATH = 100
"""Bytes; the kernel's limit is 108 with the terminating zero (unix(7)), some systems allow 104."""

_HOST_NAME = re.compile(r"(?:[a-z0-9_-]+\.)*[a-z][a-z0-9_-]*\.?", re.IGNORECASE)
"""Its last part is no number, which would make it an address."""


class Settings(BaseSettings):
    """Configuration of one process. Frozen, validated at start, secrets masked."""

    model_config = SettingsConfigDict(
        env_prefix="PENSTOCK_", frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    # where things are
    data_dir: Path = Field(default_factory=lambda: platformdirs.user_data_path("penstock"))
    """Database, payloads and broker data of the embedded stack."""
    database_url: SecretStr | None = None
    """SQLAlchemy URL; SQLite in `data_dir` when unset."""
    broker_url: SecretStr | None = None
    """Redis URL; an embedded server in `data_dir` when unset."""
    broker_transport: Literal["streams", "lists"] = "streams"
    """How messages travel: over Redis Streams, or over the lists that Celery uses otherwise."""
    payload_dir: Path | None = None
    """Payload store; a folder in `data_dir` when unset."""
    catalog: str = "pipeline.definition:CATALOG"
    """`module:name` of the pipelines on offer; point it at your own to add stages without changing this package."""

    # secrets
    secret_key: SecretStr | None = Field(default=None, min_length=32)
    """Encrypts the secrets of webhooks in the database; a file in `data_dir` when unset and the stack is embedded."""

    # fetching
    allow_networks: Annotated[tuple[IPv4Network | IPv6Network | str, ...], NoDecode] = ()
    """Comma-separated networks and names of hosts that may be fetched from although they are not public."""
    user_agent: str = "Penstock/0.1"
    contact_url: str | None = None
    """Where those who run hosts learn who visits them; sent with the user agent."""
    robots: Literal["obey", "ignore"] = "obey"
    """Whether robots.txt is obeyed."""
    host_interval_s: float = Field(default=0.25, ge=0, le=3600)
    """Between the beginnings of two visits to one host; 0 for no limit."""
    host_concurrency: int = Field(default=4, ge=0)
    """Visits to one host at once; 0 for no limit."""
    fetch_connect_timeout_s: float = Field(default=5.0, gt=0)
    fetch_read_timeout_s: float = Field(default=10.0, gt=0)
    fetch_total_timeout_s: float = Field(default=45.0, gt=0)
    fetch_max_redirects: int = Field(default=5, ge=0)
    fetch_max_wire_bytes: int = Field(default=10 * 2**20, gt=0)
    fetch_max_decoded_bytes: int = Field(default=20 * 2**20, gt=0)

    # rendering
    render: bool = False
    """Whether jobs may ask for a browser; needs the extra `render`, Chromium and a worker of the queue `render`."""
    chromium_path: Path | None = None
    """The browser; one that is found on PATH when unset."""
    chromium_sandbox: bool = Field(default_factory=lambda: os.geteuid() != 0)
    """Whether Chromium isolates its own processes; root cannot have it."""
    render_timeout_s: float = Field(default=45.0, gt=0, le=55)
    render_max_wire_bytes: int = Field(default=50 * 2**20, gt=0)
    """Of all that one page loads."""
    render_max_requests: int = Field(default=500, ge=1)
    render_max_memory_bytes: int = Field(default=2 * 2**30, gt=0)
    """Of all processes of one page's browser."""

    # copies of fetched pages
    cache_max_bytes: int = Field(default=2**30, ge=0)
    """How much of them is kept for each tenant, without compression; 0 for none."""
    retention_cache_s: float = Field(default=7 * 86_400.0, gt=0)
    """How long a copy is kept after its host sent or confirmed it."""

    # parsing
    parse_timeout_s: float = Field(default=12.0, gt=0)
    """What one page may take in a parsing child."""
    parse_max_memory_bytes: int = Field(default=2**30, gt=0)
    """What one parsing child may allocate."""

    # language model
    llm_base_url: str = "https://api.openai.com/v1"
    """OpenAI-compatible endpoint. When neither this nor a key is set, summaries are made offline."""
    llm_api_key: SecretStr | None = None
    llm_model: str = "gpt-4.1-mini"
    llm_other_models: Annotated[tuple[str, ...], NoDecode] = ()
    """Comma-separated names of further models at the same endpoint that a job may ask for."""
    llm_custom_prompts: bool = True
    """Whether clients may say, in a job's `prompt`, what the model is to heed."""
    llm_max_prompt_chars: int = Field(default=2_000, ge=1, le=20_000)
    """How long such a prompt may be."""
    llm_max_input_tokens: int = Field(default=12_000, ge=1_000)
    """Longer articles are read in parts of at most this size."""
    llm_prices: Annotated[Prices, NoDecode] = Field(default_factory=Prices)
    """What models cost, as JSON or as the name of a file with it; a model without a price costs tokens only."""
    llm_calls_per_minute: int | None = Field(default=None, ge=1)
    """How often each model may be asked by all workers together."""
    llm_tokens_per_minute: int | None = Field(default=None, ge=1)
    """With how many tokens, those of the longest answer included."""
    llm_budget_day: Decimal | None = Field(default=None, ge=0, le=MAX_MONEY)
    """What all tenants together may spend on language models in a day (UTC), in the currency of the prices."""
    llm_budget_month: Decimal | None = Field(default=None, ge=0, le=MAX_MONEY)
    llm_tenant_budget_day: Decimal | None = Field(default=None, ge=0, le=MAX_MONEY)
    """The same for each tenant that has no budget of its own."""
    llm_tenant_budget_month: Decimal | None = Field(default=None, ge=0, le=MAX_MONEY)
    llm_cache_s: float = Field(default=30 * 86_400.0, ge=0)
    """How long answers are kept, to be had again for nothing; 0 for not at all."""

    # breakers
    breaker_fail_max: int = Field(default=5, ge=1)
    """Failures in a row that open a breaker."""
    breaker_reset_s: float = Field(default=30.0, gt=0)
    """How long an open breaker stays open."""

    # lifecycle
    lease_s: float = Field(default=15.0, ge=2)
    """How long a stage stays with a worker that gives no sign of life; renewed once a second."""
    relaunch_after_s: float = Field(default=20.0, gt=0)
    """How long a ready stage may go without being started before it is published again; doubles each time."""
    job_deadline_s: float = Field(default=86_400.0, gt=0)
    """After this a job that has not finished fails."""
    io_concurrency: int = Field(default=16, ge=1)
    """Attempts at once in a worker of an `io` stage."""
    cpu_concurrency: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    """Attempts at once in a worker of a `cpu` stage."""

    shutdown_grace_s: float = Field(default=20.0, ge=0)
    """How long a worker that is stopped lets its attempts go on before it hands them to others."""

    # events
    events_kept: int = Field(default=20_000, ge=100)
    """About how many events the stream holds, and each API process remembers, for subscribers who come late."""

    # retention
    retention_results_s: float = Field(default=30 * 86_400.0, gt=0)
    """How long a job that succeeded is kept, with its result."""
    retention_intermediates_s: float = Field(default=86_400.0, gt=0)
    """How long outputs of its stages and submitted content are kept."""
    retention_dead_letters_s: float = Field(default=90 * 86_400.0, gt=0)
    """How long a job that failed or was cancelled is kept, with all it made."""
    orphan_grace_s: float = Field(default=86_400.0, gt=0)
    """How long objects are left alone that belong to no job."""

    # API
    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8000, ge=0, le=65535)
    api_max_body_bytes: int = Field(default=20 * 2**20, gt=0)
    api_auth: Literal["auto", "required", "off"] = "auto"
    """Whether requests need a key; `auto`: unless the API can be reached from this machine only."""

    # quotas
    quota_requests_per_minute: int | None = Field(default=None, ge=1)
    """Requests to the API that a tenant may send; no limit when unset. These three can be set for one tenant alone."""
    quota_jobs_in_flight: int | None = Field(default=None, ge=1)
    """Jobs of a tenant that may be unended."""
    quota_bytes_per_day: int | None = Field(default=None, ge=1)
    """Content that a tenant may submit from midnight to midnight, UTC."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("llm_prices", mode="before")
    @classmethod
    def _read_prices(cls, value: Any) -> Any:
        if isinstance(value, str):
            return parse_prices(value)
        return value

    @field_validator("allow_networks", mode="before")
    @classmethod
    def _split_networks(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(_network_or_host(part.strip()) for part in value.split(",") if part.strip())
        return value

    @field_validator("llm_other_models", mode="before")
    @classmethod
    def _split_models(cls, value: Any) -> Any:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @property
    def llm_limits(self) -> Limits:
        """The budgets where nothing else was set."""
        given = (self.llm_budget_day, self.llm_budget_month, self.llm_tenant_budget_day, self.llm_tenant_budget_month)
        return Limits(*(None if money is None else micros_of(money) for money in given))

    @property
    def agent(self) -> str:
        """The user agent as it is sent."""
        return f"{self.user_agent} (+{self.contact_url})" if self.contact_url else self.user_agent

    @property
    def is_embedded(self) -> bool:
        """Whether the broker is a child process of the stack."""
        return self.broker_url is None

    @property
    def sql_url(self) -> str:
        """The database's SQLAlchemy URL, with its password."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'penstock.db'}"

    @property
    def redis_url(self) -> str:
        """The broker's URL, with its password."""
        if self.broker_url is not None:
            return self.broker_url.get_secret_value()
        return f"redis+socket://{self.socket_path}"

    @property
    def payload_root(self) -> Path:
        """The folder of the payload store."""
        return self.payload_dir or self.data_dir / "payloads"

    @property
    def secret_key_file(self) -> Path:
        """The key of an embedded stack that was given none."""
        return self.data_dir / "secret.key"

    @property
    def socket_path(self) -> Path:
        """Where the embedded broker listens: in the data directory, or in a short place when that is too long."""
        inside = self.data_dir.absolute() / "broker" / "valkey.sock"
        if len(os.fsencode(inside)) <= MAX_SOCKET_PATH:
            return inside
        name = hashlib.sha256(os.fsencode(inside)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"penstock-{os.getuid()}-{name}" / "valkey.sock"

    @property
    def quotas(self) -> Quotas:
        """Of tenants for which nothing else was set."""
        return Quotas(self.quota_requests_per_minute, self.quota_jobs_in_flight, self.quota_bytes_per_day)

    @property
    def api_is_local(self) -> bool:
        """Whether the API listens where only this machine can reach it."""
        return is_loopback(self.api_host)

    @property
    def api_needs_key(self) -> bool:
        """Whether requests without a key are refused."""
        return self.api_auth == "required" or (self.api_auth == "auto" and not self.api_is_local)

    @property
    def has_llm(self) -> bool:
        """Whether a language model is configured: by a key, or by an endpoint, which may need none."""
        return self.llm_api_key is not None or "llm_base_url" in self.model_fields_set


def _network_or_host(text: str) -> IPv4Network | IPv6Network | str:
    """A network, or the name of a host in lower case. Raises ValueError.

    >>> _network_or_host("10.1.0.0/16"), _network_or_host("Wiki.internal")
    (IPv4Network('10.1.0.0/16'), 'wiki.internal')
    >>> _network_or_host("10.1.0.0/33")
    Traceback (most recent call last):
    ValueError: '10.1.0.0/33' does not appear to be an IPv4 or IPv6 network
    """
    if _HOST_NAME.fullmatch(text):
        return text.lower().rstrip(".")
    return ip_network(text)


def is_loopback(host: str) -> bool:
    """Whether a host, by its name or address, is this machine as seen from itself.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.9", "::1", "0.0.0.0", "::", "localhost.example.org")]
    [True, True, True, False, False, False]
    """
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
