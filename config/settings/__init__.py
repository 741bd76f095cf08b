"""The settings of all programs, read once from the environment, and the secrets in WAYPOST_HOME."""

from __future__ import annotations

from config.settings.errors import SettingError
from config.settings.geo import GeoSettings
from config.settings.mail import MailSettings
from config.settings.outgoing import OutgoingSettings
from config.settings.programs import (
    EDGE_SERVERS,
    AdminSettings,
    EdgeSettings,
    EmbeddedSettings,
    admin_settings,
    edge_settings,
    embedded_settings,
    inherited_environment,
    search_path,
    secrets_keys,
    worker_settings,
)
from config.settings.public_place import PublicPlace
from config.settings.reports import ReportSettings
from config.settings.retention import RetentionDays, default_retention
from config.settings.secrets import embedded_database_url, embedded_redis_url, secret

__all__ = [
    "EDGE_SERVERS",
    "AdminSettings",
    "EdgeSettings",
    "EmbeddedSettings",
    "GeoSettings",
    "MailSettings",
    "OutgoingSettings",
    "PublicPlace",
    "ReportSettings",
    "RetentionDays",
    "SettingError",
    "admin_settings",
    "default_retention",
    "edge_settings",
    "embedded_database_url",
    "embedded_redis_url",
    "embedded_settings",
    "inherited_environment",
    "search_path",
    "secret",
    "secrets_keys",
    "worker_settings",
]
