"""Wires the stream's process. granian imports this in its one worker."""

from __future__ import annotations

import logging

from admin_api.runtime import connect_redis, open_pool
from admin_api.stream import Cuttable, StreamParts, create_stream_app
from config.settings import admin_settings

# The follower's connection, and those of viewers that come.
_CONNECTIONS = 3

_settings = admin_settings()
logging.basicConfig(
    level=_settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s", force=False
)
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
app = Cuttable(
    create_stream_app(
        StreamParts(
            open_pool(_settings.admin_database_url, _CONNECTIONS), connect_redis(_settings.redis_url), _settings.port
        )
    )
)
