"""The JavaScript redirect page: it loads the profile's pixels and then leaves for the destination. Without JavaScript,
a meta refresh leaves at once.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from html import escape
from urllib.parse import urlsplit

import orjson

# SECURITY: inside a script element, these characters can end a string, the script or a line. As JSON escapes they
# cannot.
_SCRIPT_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&'\u2028\u2029"}

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="referrer" content="no-referrer-when-downgrade">
<meta name="robots" content="noindex"><title>Redirecting</title>
<noscript><meta http-equiv="refresh" content="0; url={html_url}"></noscript>
</head><body><p><a href="{html_url}" rel="nofollow">Continue</a></p>
<script nonce="{nonce}">
(function () {{
  var target = {script_url}, pixels = {pixels}, left = pixels.length, gone = false;
  function go() {{ if (!gone) {{ gone = true; window.location.replace(target); }} }}
  function done() {{ left -= 1; if (left <= 0) go(); }}
  pixels.forEach(function (pixel) {{
    var element = pixel.script ? document.createElement("script") : new Image();
    element.onload = element.onerror = done;
    if (pixel.script) {{ element.nonce = "{nonce}"; }}
    element.src = pixel.url;
    if (pixel.script) {{ document.head.appendChild(element); }}
  }});
  if (left === 0) {{ go(); }} else {{ setTimeout(go, {timeout_ms}); }}
}})();
</script></body></html>
"""


def js_redirect_page(url: str, pixels: Sequence[str], timeout_ms: int) -> tuple[bytes, str]:
    """Return the page and its Content-Security-Policy. `url` is an absolute http(s) URL, percent-encoded already.

    A pixel whose path ends in `.js` is loaded as a script, any other as an image. All start at once, and the page
    leaves when they have finished or after `timeout_ms`, whichever comes first.
    """
    nonce = secrets.token_urlsafe(16)
    entries = [{"url": pixel, "script": urlsplit(pixel).path.endswith(".js")} for pixel in pixels]
    page = _PAGE.format(
        html_url=escape(url),
        script_url=_script_json(url),
        pixels=_script_json(entries),
        nonce=nonce,
        timeout_ms=timeout_ms,
    )
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; img-src http: https:; connect-src http: https:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return page.encode(), policy


def _script_json(value: object) -> str:
    return orjson.dumps(value).decode().translate(_SCRIPT_ESCAPES)
