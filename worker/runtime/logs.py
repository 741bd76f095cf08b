"""Writes the log lines of a worker process to standard error: an event and its facts, as `event key=value`."""

from __future__ import annotations

import logging

_LOGGER = logging.getLogger("waypost.worker")
_TEXT_MAX = 300


def start_logging(queue: str, level: str) -> None:
    """Send every line of this process to standard error. RQ writes three lines a job, so only its warnings are kept."""
    logging.basicConfig(
        level=level.upper(), format=f"%(asctime)s worker-{queue} %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    for name in ("rq.worker", "rq.job", "rq.queue", "rq.registry"):
        logging.getLogger(name).setLevel(logging.WARNING)


def log(event: str, level: int = logging.INFO, **facts: object) -> None:
    """Write one line. Values with blanks are quoted, line breaks become spaces, long ones are cut."""
    if _LOGGER.isEnabledFor(level):
        _LOGGER.log(level, "%s", " ".join([event, *(f"{name}={_value(fact)}" for name, fact in facts.items())]))


def _value(fact: object) -> str:
    text = f"{fact:.3f}" if isinstance(fact, float) else " ".join(str(fact).split())
    if len(text) > _TEXT_MAX:
        text = text[:_TEXT_MAX] + "…"
    return repr(text) if " " in text or not text else text
