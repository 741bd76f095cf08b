"""Wires one process of the postback intake: the edge's application with a slot and spools of its own, in threads."""

from __future__ import annotations

from edge.postbacks import ThreadedApp
from edge.wsgi import app as edge_app
from edge.wsgi import settings

app = ThreadedApp(edge_app, settings.postback_body_bytes)
