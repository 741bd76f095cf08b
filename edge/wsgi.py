"""Wires one edge process. The WSGI server imports this after it has forked, so each process takes a slot of its own."""

from __future__ import annotations

import atexit
import gc
import logging

from config.configuration import MirrorReader, create_mirror
from config.geo import GeoDatabases
from config.settings import edge_settings
from edge.app import Collaborators, create_app
from edge.caps import Caps
from edge.postbacks import DuplicateMarkers
from edge.spool import Recorder

settings = edge_settings()
logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
create_mirror(settings.mirror_dir, settings.mirror_max_bytes)
recorder = Recorder(settings)
recorder.start()
geo = GeoDatabases(settings.geo, recorder.count_geo)
# A slow disk delays the start for no longer. Until all is loaded, the built-in table tells the countries.
geo.start(wait_s=2.0)
atexit.register(recorder.close)
app = create_app(
    settings,
    Collaborators(
        mirror=MirrorReader(settings.mirror_dir),
        recorder=recorder,
        geo=geo,
        capacity=Caps(settings.spool_dir, recorder.slot_name),
        markers=DuplicateMarkers(settings.redis_url),
    ),
)
# PERF: a click makes no reference cycles, and all that was loaded until here stays. So the garbage collector need not
# look at it, and need not run often.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)
