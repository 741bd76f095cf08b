"""The settings of each program, read once from the environment. No other module reads os.environ.

Each program gets a frozen record with its own settings only; the edge and its agent have no database URL.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from config.settings.environment import EnvironmentReader
from config.settings.geo import GeoSettings, geo_settings
from config.settings.mail import MailSettings, mail_settings
from config.settings.outgoing import OutgoingSettings, outgoing_settings
from config.settings.public_place import PublicPlace, public_place
from config.settings.reports import ReportSettings, report_settings
from config.settings.retention import RetentionDays, retention_days
from config.settings.traffic import traffic_limits
from tracking.runtime import BATCH_RECORDS_MAX
from tracking.traffic import TrafficLimits

EDGE_SERVERS = ("auto", "meinheld", "granian", "gthread")


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """The settings of the edge and its agent."""

    home: Path
    redis_url: str
    host: str
    port: int
    workers: int
    server: str
    intake_port: int
    intake_workers: int
    node_id: int
    trusted_proxies: int
    geo: GeoSettings
    click_id_keys: tuple[bytes, ...]
    spool_dir: Path
    spool_segment_bytes: int
    spool_max_bytes: int
    spool_fsync_ms: int
    mirror_dir: Path
    mirror_max_bytes: int
    postback_body_bytes: int
    postback_rate_per_minute: int
    agent_batch_records: int
    agent_batch_wait_ms: int
    agent_outstanding_batches: int
    agent_retry_s: int
    log_level: str


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The settings of the RQ workers."""

    home: Path
    database_url: str
    redis_url: str
    geo: GeoSettings
    exchange_rates_file: Path | None
    click_id_keys: tuple[bytes, ...]
    secrets_keys: tuple[bytes, ...]
    outgoing: OutgoingSettings
    retention: RetentionDays
    reports: ReportSettings
    traffic: TrafficLimits
    traces_endpoint: str
    log_level: str


@dataclass(frozen=True, slots=True)
class AdminSettings:
    """The settings of the admin API. It needs the edge's ports for the URLs that it shows, and the keys to check click
    ids.
    """

    home: Path
    # The owner's, for migrations alone, and that of the login the API works with.
    database_url: str
    admin_database_url: str
    redis_url: str
    host: str
    port: int
    stream_port: int
    threads: int
    requests_per_minute: int
    session_idle: timedelta
    session_longest: timedelta
    trusted_proxies: int
    edge_host: str
    edge_port: int
    intake_port: int
    public_scheme: str
    public_place: PublicPlace
    click_id_keys: tuple[bytes, ...]
    secrets_keys: tuple[bytes, ...]
    outgoing: OutgoingSettings
    retention: RetentionDays
    reports: ReportSettings
    # None sends no mail.
    mail: MailSettings | None
    traces_endpoint: str
    log_level: str


@dataclass(frozen=True, slots=True)
class EmbeddedSettings:
    """The settings for running all of Waypost on one machine. An empty URL means the embedded server."""

    home: Path
    database_url: str
    redis_url: str
    postgres_port: int
    valkey_port: int
    user: str
    edge_host: str
    edge_port: int
    intake_port: int
    admin_host: str
    admin_port: int
    stream_port: int
    log_level: str


def edge_settings(environ: Mapping[str, str] = os.environ) -> EdgeSettings:
    """Return the edge's and agent's settings, or raise SettingError."""
    read = EnvironmentReader(environ)
    return EdgeSettings(
        home=read.home,
        redis_url=read.redis_url(),
        host=read.text("EDGE_HOST"),
        port=read.port("EDGE_PORT"),
        workers=read.number("EDGE_WORKERS", 1, 256),
        server=read.choice("EDGE_SERVER", EDGE_SERVERS),
        intake_port=read.intake_port(),
        intake_workers=read.number("INTAKE_WORKERS", 1, 64),
        node_id=read.node_id(),
        trusted_proxies=read.number("TRUSTED_PROXIES", 0, 16),
        geo=geo_settings(read),
        click_id_keys=read.click_id_keys(),
        spool_dir=read.path("SPOOL_DIR", read.home / "spool"),
        spool_segment_bytes=read.number("SPOOL_SEGMENT_BYTES", 4096, 2**31),
        spool_max_bytes=read.number("SPOOL_MAX_BYTES", 8192, 2**50),
        spool_fsync_ms=read.number("SPOOL_FSYNC_MS", 1, 60_000),
        mirror_dir=read.path("MIRROR_DIR", read.home / "mirror"),
        mirror_max_bytes=read.number("MIRROR_MAX_BYTES", 2**20, 2**44),
        # A record of the spool has at most 1 MiB, and a control character of a body takes six bytes in it.
        postback_body_bytes=read.number("POSTBACK_BODY_BYTES", 1024, 2**17),
        postback_rate_per_minute=read.number("POSTBACK_RATE_PER_MINUTE", 1, 1_000_000),
        agent_batch_records=read.number("AGENT_BATCH_RECORDS", 1, BATCH_RECORDS_MAX),
        agent_batch_wait_ms=read.number("AGENT_BATCH_WAIT_MS", 1, 60_000),
        agent_outstanding_batches=read.number("AGENT_OUTSTANDING_BATCHES", 1, 10_000),
        agent_retry_s=read.number("AGENT_RETRY_S", 1, 3600),
        log_level=read.log_level(),
    )


def worker_settings(environ: Mapping[str, str] = os.environ) -> WorkerSettings:
    """Return the workers' settings, or raise SettingError."""
    read = EnvironmentReader(environ)
    return WorkerSettings(
        home=read.home,
        database_url=read.database_url(),
        redis_url=read.redis_url(),
        geo=geo_settings(read),
        exchange_rates_file=read.optional_path("EXCHANGE_RATES_FILE"),
        click_id_keys=read.click_id_keys(),
        secrets_keys=read.secrets_keys(),
        outgoing=outgoing_settings(read),
        retention=retention_days(read),
        reports=report_settings(read),
        traffic=traffic_limits(read),
        traces_endpoint=read.http_url("OTEL_EXPORTER_OTLP_ENDPOINT"),
        log_level=read.log_level(),
    )


def admin_settings(environ: Mapping[str, str] = os.environ) -> AdminSettings:
    """Return the admin API's settings, or raise SettingError."""
    read = EnvironmentReader(environ)
    return AdminSettings(
        home=read.home,
        database_url=read.database_url(),
        admin_database_url=read.admin_database_url(),
        redis_url=read.redis_url(),
        host=read.text("ADMIN_HOST"),
        port=read.port("ADMIN_PORT"),
        stream_port=read.stream_port(),
        threads=read.number("ADMIN_THREADS", 1, 64),
        requests_per_minute=read.number("ADMIN_REQUESTS_PER_MINUTE", 0, 1_000_000),
        session_idle=timedelta(hours=read.number("SESSION_IDLE_HOURS", 1, 720)),
        session_longest=timedelta(days=read.number("SESSION_DAYS", 1, 365)),
        trusted_proxies=read.number("ADMIN_TRUSTED_PROXIES", 0, 16),
        edge_host=read.text("EDGE_HOST"),
        edge_port=read.port("EDGE_PORT"),
        intake_port=read.intake_port(),
        public_scheme=read.choice("PUBLIC_SCHEME", ("http", "https")),
        public_place=public_place(read),
        click_id_keys=read.click_id_keys(),
        secrets_keys=read.secrets_keys(),
        outgoing=outgoing_settings(read),
        retention=retention_days(read),
        reports=report_settings(read),
        mail=mail_settings(read),
        traces_endpoint=read.http_url("OTEL_EXPORTER_OTLP_ENDPOINT"),
        log_level=read.log_level(),
    )


def embedded_settings(environ: Mapping[str, str] = os.environ) -> EmbeddedSettings:
    """Return the settings of a whole stack on one machine, or raise SettingError."""
    read = EnvironmentReader(environ)
    return EmbeddedSettings(
        home=read.home,
        database_url=read.text("DATABASE_URL"),
        redis_url=read.text("REDIS_URL"),
        postgres_port=read.port("EMBEDDED_POSTGRES_PORT"),
        valkey_port=read.port("EMBEDDED_VALKEY_PORT"),
        user=read.text("EMBEDDED_USER"),
        edge_host=read.text("EDGE_HOST"),
        edge_port=read.port("EDGE_PORT"),
        intake_port=read.intake_port(),
        admin_host=read.text("ADMIN_HOST"),
        admin_port=read.port("ADMIN_PORT"),
        stream_port=read.stream_port(),
        log_level=read.log_level(),
    )


def secrets_keys(environ: Mapping[str, str] = os.environ) -> tuple[bytes, ...]:
    """Return the keys that seal stored secrets, or raise SettingError. The first one seals."""
    return EnvironmentReader(environ).secrets_keys()


def inherited_environment() -> dict[str, str]:
    """Return a copy of this process's environment, for a process that it starts."""
    return dict(os.environ)


def search_path(environ: Mapping[str, str] = os.environ) -> str:
    """Return the search path for programs."""
    return environ.get("PATH", os.defpath)
