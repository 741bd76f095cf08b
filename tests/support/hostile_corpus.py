"""Malformed and smuggling requests as data. `TAG` in one becomes its name, so that one sees what reached the edge.

`SMUGGLED` marks a second request inside the first: recorded only where it was answered too.
"""

from __future__ import annotations

from bare_edge import HOST, SLUG

_H = HOST.encode()
_T = f"/click/{SLUG}?sub1=TAG".encode()
_LINE = b"GET " + _T + b" HTTP/1.1\r\n"
_HOST = b"Host: " + _H + b"\r\n"
_GET = _LINE + _HOST
_END = b"\r\n"
_INNER = f"GET /click/{SLUG}?sub1=TAG&x=SMUGGLED HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
_POST = b"POST /postback/nobody?sub1=TAG HTTP/1.1\r\n" + _HOST + b"Content-Type: application/x-www-form-urlencoded\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"

CORPUS: dict[str, bytes] = {
    "plain": _GET + _END,
    # Host
    "host-twice": _GET + b"Host: evil.example\r\n" + _END,
    "host-twice-equal": _GET + _HOST + _END,
    "host-missing": _LINE + _END,
    "host-empty": _LINE + b"Host:\r\n" + _END,
    "host-two-names": _LINE + b"Host: " + _H + b", evil.example\r\n" + _END,
    "host-with-path": _LINE + b"Host: " + _H + b"/x\r\n" + _END,
    "host-with-userinfo": _LINE + b"Host: a@" + _H + b"\r\n" + _END,
    "host-with-nul": _LINE + b"Host: " + _H + b"\0.evil.example\r\n" + _END,
    "host-non-ascii": _LINE + b"Host: \xc3\xa9" + _H + b"\r\n" + _END,
    "host-bad-port": _LINE + b"Host: " + _H + b":99999999\r\n" + _END,
    "host-space-before-colon": _LINE + b"Host : " + _H + b"\r\n" + _END,
    "host-folded": _LINE + b"Host:\r\n " + _H + b"\r\n" + _END,
    # Header lines
    "obs-fold": _GET + b"X-A: b\r\n c\r\n" + _END,
    "fold-first-line": _LINE + b" " + _HOST + _END,
    "nul-in-value": _GET + b"User-Agent: a\0b\r\n" + _END,
    "cr-in-value": _GET + b"User-Agent: a\rX-B: c\r\n" + _END,
    "lf-in-value": _GET + b"User-Agent: a\nX-Forwarded-For: 6.6.6.6\r\n" + _END,
    "control-in-value": _GET + b"User-Agent: a\x01\x1f\x7f\r\n" + _END,
    "non-ascii-value": _GET + b"User-Agent: caf\xc3\xa9 \xff\xfe\r\n" + _END,
    "non-ascii-name": _GET + b"X-\xc3\xa9: b\r\n" + _END,
    "nul-in-name": _GET + b"X-\0: b\r\n" + _END,
    "space-in-name": _GET + b"X A: b\r\n" + _END,
    "empty-name": _GET + b": b\r\n" + _END,
    "no-colon": _GET + b"nonsense\r\n" + _END,
    "underscore-in-name": _GET + b"X_Forwarded_For: 6.6.6.6\r\n" + _END,
    "proxy-header": _GET + b"Proxy: http://evil.example\r\n" + _END,
    "bare-lf": (_GET + _END).replace(b"\r\n", b"\n"),
    "bare-cr": (_GET + _END).replace(b"\r\n", b"\r"),
    "huge-header": _GET + b"X-A: " + b"a" * 70_000 + b"\r\n" + _END,
    "many-headers": _GET + b"".join(b"X-%d: a\r\n" % n for n in range(2000)) + _END,
    # Request line
    "leading-crlf": b"\r\n\r\n" + _GET + _END,
    "http-0.9": b"GET " + _T + b"\r\n\r\n",
    "http-0.9-lf": b"GET " + _T + b"\n",
    "http-1.0": b"GET " + _T + b" HTTP/1.0\r\n" + _HOST + _END,
    "http-2.0": b"GET " + _T + b" HTTP/2.0\r\n" + _HOST + _END,
    "http-9.9": b"GET " + _T + b" HTTP/9.9\r\n" + _HOST + _END,
    "http-nonsense": b"GET " + _T + b" HTTQ/1.1\r\n" + _HOST + _END,
    "http-2-preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "version-missing-minor": b"GET " + _T + b" HTTP/1\r\n" + _HOST + _END,
    "absolute-form": b"GET http://" + _H + _T + b" HTTP/1.1\r\n" + _HOST + _END,
    "absolute-form-other-host": b"GET http://evil.example" + _T + b" HTTP/1.1\r\n" + _HOST + _END,
    "absolute-form-our-host": b"GET http://" + _H + _T + b" HTTP/1.1\r\nHost: evil.example\r\n" + _END,
    "authority-form": b"CONNECT " + _H + b":80 HTTP/1.1\r\n" + _HOST + _END,
    "asterisk-form": b"OPTIONS * HTTP/1.1\r\n" + _HOST + _END,
    "no-slash": b"GET click/x?sub1=TAG HTTP/1.1\r\n" + _HOST + _END,
    "space-in-target": b"GET " + _T + b"&x=a b HTTP/1.1\r\n" + _HOST + _END,
    "tab-separators": b"GET\t" + _T + b"\tHTTP/1.1\r\n" + _HOST + _END,
    "two-spaces": b"GET  " + _T + b"  HTTP/1.1\r\n" + _HOST + _END,
    "nul-in-target": b"GET " + _T + b"&x=a\0b HTTP/1.1\r\n" + _HOST + _END,
    "cr-in-target": b"GET " + _T + b"&x=a\rb HTTP/1.1\r\n" + _HOST + _END,
    "control-in-target": b"GET " + _T + b"&x=a\x01\x7fb HTTP/1.1\r\n" + _HOST + _END,
    "non-ascii-target": b"GET " + _T + b"&x=\xc3\xa9\xff HTTP/1.1\r\n" + _HOST + _END,
    "non-ascii-path": b"GET /click/\xc3\xa9\xff?sub1=TAG HTTP/1.1\r\n" + _HOST + _END,
    "fragment": b"GET " + _T + b"#x HTTP/1.1\r\n" + _HOST + _END,
    "dot-segments": b"GET /x/../click/link1?sub1=TAG HTTP/1.1\r\n" + _HOST + _END,
    "escaped-dot-segments": b"GET /click/%2e%2e/click/link1?sub1=TAG HTTP/1.1\r\n" + _HOST + _END,
    "escape-out": b"GET /../../etc/passwd?sub1=TAG HTTP/1.1\r\n" + _HOST + _END,
    "escaped-slash": b"GET /click%2flink1?sub1=TAG HTTP/1.1\r\n" + _HOST + _END,
    "escaped-nul-path": b"GET /click/link1%00?sub1=TAG HTTP/1.1\r\n" + _HOST + _END,
    "escaped-crlf-path": b"GET /click/link1%0d%0aX:y?sub1=TAG HTTP/1.1\r\n" + _HOST + _END,
    "bad-percent-path": b"GET /click/%zz?sub1=TAG HTTP/1.1\r\n" + _HOST + _END,
    "bad-percent-query": b"GET " + _T + b"&x=%&y=%z&%zz=%0 HTTP/1.1\r\n" + _HOST + _END,
    "overlong-utf8": b"GET " + _T + b"&x=%c0%af%ed%a0%80 HTTP/1.1\r\n" + _HOST + _END,
    "long-line": b"GET " + _T + b"&x=" + b"a" * 7000 + b" HTTP/1.1\r\n" + _HOST + _END,
    "huge-line": b"GET " + _T + b"&x=" + b"a" * 70_000 + b" HTTP/1.1\r\n" + _HOST + _END,
    # Methods
    "method-unknown": b"BREW " + _T + b" HTTP/1.1\r\n" + _HOST + _END,
    "method-lower": b"get " + _T + b" HTTP/1.1\r\n" + _HOST + _END,
    "method-nul": b"G\0T " + _T + b" HTTP/1.1\r\n" + _HOST + _END,
    "method-non-ascii": b"G\xc3\xa9T " + _T + b" HTTP/1.1\r\n" + _HOST + _END,
    "method-long": b"A" * 5000 + b" " + _T + b" HTTP/1.1\r\n" + _HOST + _END,
    "method-trace": b"TRACE " + _T + b" HTTP/1.1\r\n" + _HOST + _END,
    # Body length
    "cl-twice": _POST + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\na=bcd",
    "cl-twice-equal": _POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\na=b",
    "cl-list": _POST + b"Content-Length: 3, 3\r\n\r\na=b",
    "cl-plus": _POST + b"Content-Length: +3\r\n\r\na=b",
    "cl-minus": _POST + b"Content-Length: -3\r\n\r\na=b",
    "cl-hex": _POST + b"Content-Length: 0x3\r\n\r\na=b",
    "cl-space": _POST + b"Content-Length: 3 3\r\n\r\na=b",
    "cl-huge": _POST + b"Content-Length: 99999999999999999999\r\n\r\na=b",
    "cl-empty": _POST + b"Content-Length:\r\n\r\na=b",
    "cl-underscore": _POST + b"Content_Length: 3\r\nContent-Length: 0\r\n\r\n" + _INNER,
    "cl-nul": _POST + b"Content-Length: 3\0\r\n\r\na=b",
    "get-with-body": _GET + b"Content-Length: %d\r\n\r\n" % len(_INNER) + _INNER,
    "te-and-cl": _POST + b"Content-Length: %d\r\n" % (5 + len(_INNER)) + _CHUNKED + _END + b"0\r\n\r\n" + _INNER,
    "cl-and-te": _POST + _CHUNKED + b"Content-Length: 5\r\n" + _END + b"0\r\n\r\n" + _INNER,
    "te-twice": _POST + _CHUNKED + b"Transfer-Encoding: identity\r\n" + _END + b"0\r\n\r\n",
    "te-unknown": _POST + b"Transfer-Encoding: nonsense\r\n" + _END + b"0\r\n\r\n",
    "te-gzip-chunked": _POST + b"Transfer-Encoding: gzip, chunked\r\n" + _END + b"0\r\n\r\n",
    "te-tab": _POST + b"Transfer-Encoding:\tchunked\r\n" + _END + b"0\r\n\r\n" + _INNER,
    "te-vertical-tab": _POST
    + b"Transfer-Encoding: \x0bchunked\r\nContent-Length: 5\r\n"
    + _END
    + b"0\r\n\r\n"
    + _INNER,
    "te-space-before-colon": _POST
    + b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n"
    + _END
    + b"0\r\n\r\n"
    + _INNER,
    "te-quoted": _POST + b'Transfer-Encoding: "chunked"\r\nContent-Length: 5\r\n' + _END + b"0\r\n\r\n" + _INNER,
    "te-on-http-1.0": _POST.replace(b"HTTP/1.1", b"HTTP/1.0") + _CHUNKED + _END + b"0\r\n\r\n" + _INNER,
    "chunk-size-nonsense": _POST + _CHUNKED + _END + b"zz\r\na=b\r\n0\r\n\r\n",
    "chunk-size-minus": _POST + _CHUNKED + _END + b"-3\r\na=b\r\n0\r\n\r\n",
    "chunk-size-hex": _POST + _CHUNKED + _END + b"0x3\r\na=b\r\n0\r\n\r\n",
    "chunk-size-huge": _POST + _CHUNKED + _END + b"fffffffffffffffff\r\na=b\r\n0\r\n\r\n",
    "chunk-extension": _POST + _CHUNKED + _END + b"3;a=b\r\na=b\r\n0\r\n\r\n",
    "chunk-extension-lf": _POST + _CHUNKED + _END + b"3;\na=b\r\n0\r\n\r\n" + _INNER,
    "chunk-bare-lf": _POST + _CHUNKED + _END + b"3\na=b\n0\n\n",
    "chunk-without-end": _POST + _CHUNKED + _END + b"3\r\na=bXX0\r\n\r\n" + _INNER,
    "chunk-trailer": _POST + _CHUNKED + _END + b"0\r\nX-A: b\r\n\r\n",
    "chunk-trailer-host": _POST + _CHUNKED + _END + b"0\r\nHost: evil.example\r\nContent-Length: 9\r\n\r\n",
    "expect-nonsense": _POST + b"Expect: nonsense\r\nContent-Length: 3\r\n\r\na=b",
    "upgrade": _GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + _END,
    "upgrade-h2c": _GET
    + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"
    + _END,
    "connection-names-host": _GET + b"Connection: close, Host, X-Forwarded-For\r\n" + _END,
    # Several
    "pipelined": _GET + _END + _INNER,
    "pipelined-after-bad": _GET + b"nonsense\r\n" + _END + _INNER,
    "tls-hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
    "binary": bytes(range(256)) * 4,
    "nothing": b"\r\n",
}
# Of these nothing may ever be recorded, at any server: their meaning differs from reader to reader.
NEVER_RECORDED = frozenset({"host-two-names", "host-with-nul", "host-non-ascii", "method-unknown", "authority-form"})

# What lands in every parameter and, by way of them, in every macro.
HOSTILE_VALUES: dict[str, bytes] = {
    "cr": b"a%0db",
    "lf": b"a%0ab",
    "crlf-header": b"a%0d%0aSet-Cookie:%20x=y",
    "crlf-body": b"a%0d%0a%0d%0a<script>",
    "nul": b"a%00b",
    "non-ascii": b"\xc3\xa9",
    "not-utf8": b"\xe9\xff\xfe",
    "escaped-not-utf8": b"%ff%fe",
    "line-separator": b"%E2%80%A8",
    "fullwidth-crlf": b"%E5%98%8D%E5%98%8A",
    "surrogate": b"%ed%a0%80",
    "quote": b"\"'`\\<>",
}


def request_named(name: str) -> bytes:
    """Return a request of the corpus with its name in place of its tag."""
    return CORPUS[name].replace(b"TAG", name.encode())
