"""Destination templates: a link's URL is checked and compiled once, when the link is saved.

In a compiled template, literal text and macro names alternate; it begins and ends with a literal text:
`https://m.example/?c={click_id}` is `("https://m.example/?c=", "click_id", "")`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

import idna

from tracking.clicks.vocabulary import CLICK_MACROS, URL_CHARACTERS_MAX
from tracking.runtime import FieldError

TemplateParts = tuple[str, ...]

# `{dyn}` is published with the prefix of the link's source after it. No query parameter can have such a name.
DYN_PREFIX = "dyn:"

# `{name:raw}`, the whole destination, is the URL in the query parameter of that name (tracking.clicks.next_hop).
RAW_SUFFIX = ":raw"
_RAW = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.-]{0,63}):raw\}")
_MACRO = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.-]{0,63})\}")
_IN_BRACKETS = re.compile(r"\[[0-9A-Fa-f:.]+\](:[0-9]*)?")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\\u2028\u2029]")
_SAFE_LITERAL = "%/?#[]@!$&'()*+,;=:~"


def check_url(url: str, field: str, longest: int = URL_CHARACTERS_MAX) -> str:
    """Return an absolute http or https URL in ASCII, or raise FieldError naming `field`."""
    if len(url) > longest:
        raise FieldError(field, f"{field} is longer than {longest} characters")
    if _FORBIDDEN.search(url):
        raise FieldError(field, f"{field} contains a space, backslash or control character; percent-encode it")
    try:
        split = urlsplit(url)
        host, port = split.hostname, split.port
    except ValueError as error:
        raise FieldError(field, f"{field} is not a URL: {error}") from error
    if split.scheme not in ("http", "https") or not url.lower().startswith(("http://", "https://")):
        raise FieldError(field, f"{field} must start with http:// or https://")
    if "@" in split.netloc:
        raise FieldError(field, f"{field} must not carry a user name or password before the host")
    if not host:
        raise FieldError(field, f"{field} has no host")
    # urlsplit takes what is in brackets for the host, whatever stands around them.
    if "[" in split.netloc and not _IN_BRACKETS.fullmatch(split.netloc):
        raise FieldError(field, f"{field} has a host name that is not valid: {split.netloc[:80]!r}")
    netloc = _ascii_host(host, field) + (f":{port}" if port is not None else "")
    rest = url[url.index("//") + 2 + len(split.netloc) :]
    return f"{split.scheme}://{netloc}{quote(rest, safe=_SAFE_LITERAL)}"


def check_domain(domain: str, field: str) -> str:
    """Return a host name as browsers send it (lower case, IDNA, no port), or raise FieldError naming `field`."""
    name = domain.strip().rstrip(".")
    if "/" in name or ":" in name or "@" in name:
        raise FieldError(field, f"{field} must be a bare host name such as track.example.com, without scheme or port")
    if not name:
        raise FieldError(field, f"{field} must not be empty")
    return _ascii_host(name, field)


def compile_template(url: str, field: str) -> TemplateParts:
    """Return the compiled template of a destination, or raise FieldError naming `field` and the offending macro."""
    if _RAW.search(url):
        raise FieldError(
            field, f"{field} has a raw macro; only the destination of a link may be one, and then as a whole"
        )
    names = _MACRO.findall(url)
    left_over = _MACRO.sub("", url)
    if "{" in left_over or "}" in left_over:
        raise FieldError(
            field, f"{field} has a brace that is not part of a macro; write {{name}}, or %7B and %7D for braces"
        )
    # To check the whole URL, each macro is replaced by a marker that quoting does not change. The check writes the host
    # in small letters.
    marker = "wpmacro"
    while marker in url.lower():
        marker += "x"
    checked = check_url(_MACRO.sub(marker, url), field)
    origin_end = checked.find("/", checked.index("//") + 2)
    for stop in ("?", "#"):
        found = checked.find(stop)
        if found != -1 and (origin_end == -1 or found < origin_end):
            origin_end = found
    if marker in (checked if origin_end == -1 else checked[:origin_end]):
        raise FieldError(field, f"{field} has a macro in its host; macros may stand in the path, query or fragment")
    literals = checked.split(marker)
    parts = [literals[0]]
    for name, literal in zip(names, literals[1:], strict=True):
        parts += [name, literal]
    return tuple(parts)


def compile_destination(url: str, field: str) -> TemplateParts:
    """Return the compiled template of a link's destination, as `compile_template` does.

    The whole destination may also be `{name:raw}`, which is compiled to `("", "name:raw", "")`: the visitor goes to the
    URL in the parameter `name`, if its host is one of the profile's `redirect_hosts`.
    """
    match = _RAW.fullmatch(url)
    if match is None:
        return compile_template(url, field)
    if match[1] in CLICK_MACROS:
        raise FieldError(field, f"{field} takes its URL from {match[1]}, which is never a URL; name another parameter")
    return ("", url[1:-1], "")


def raw_parameter(parts: Sequence[str]) -> str | None:
    """Return the name of the parameter that has the URL of a compiled destination, None if it has one of its own."""
    # No other destination begins with a macro.
    return None if parts[0] else parts[1].removesuffix(RAW_SUFFIX)


def with_source_prefix(parts: TemplateParts, prefix: str) -> list[str]:
    """Return a compiled template as it is published: each `{dyn}` has the prefix of the link's source."""
    return [f"{DYN_PREFIX}{prefix}" if at % 2 and part == "dyn" else part for at, part in enumerate(parts)]


def _ascii_host(host: str, field: str) -> str:
    if host.startswith("[") or ":" in host:
        return f"[{host.strip('[]')}]"
    try:
        host.encode("ascii")
    except UnicodeEncodeError:
        try:
            return idna.encode(host, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise FieldError(field, f"{field} has a host name that is not valid: {error}") from error
    lowered = host.lower()
    if len(lowered) > 253 or not re.fullmatch(r"[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*\.?", lowered):
        raise FieldError(field, f"{field} has a host name that is not valid: {host[:80]!r}")
    return lowered
