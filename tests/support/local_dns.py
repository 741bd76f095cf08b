"""A DNS server on this machine, for names that tests make up."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset

# By name: lines such as `A 203.0.113.7` or `CNAME edge.example.com`. None stands for a server that fails.
Zone = Mapping[str, list[str] | None]
TTL_S = 300


@contextmanager
def local_dns(zone: Zone) -> Iterator[dns.resolver.Resolver]:
    """Serve a zone; yield a resolver that asks it. A name that is not in the zone does not exist."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        stopping = threading.Event()
        server.settimeout(0.05)
        thread = threading.Thread(target=_serve, args=(server, zone, stopping), daemon=True)
        thread.start()
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = server.getsockname()[1]
        try:
            yield resolver
        finally:
            stopping.set()
            thread.join()


def _serve(server: socket.socket, zone: Zone, stopping: threading.Event) -> None:
    while not stopping.is_set():
        try:
            data, client = server.recvfrom(4096)
        except TimeoutError:
            continue
        query = dns.message.from_wire(data)
        server.sendto(_answer(query, zone).to_wire(), client)


def _answer(query: dns.message.Message, zone: Zone) -> dns.message.Message:
    response = dns.message.make_response(query)
    response.flags |= dns.flags.RA
    question = query.question[0]
    name, kind = question.name.to_text().rstrip("."), question.rdtype.name
    if name not in zone:
        response.set_rcode(dns.rcode.NXDOMAIN)
        return response
    while True:
        lines = zone.get(name)
        if lines is None:
            response.set_rcode(dns.rcode.SERVFAIL)
            return response
        for line in lines:
            of_kind, value = line.split()
            if of_kind in (kind, "CNAME"):
                text = f"{value}." if of_kind == "CNAME" else value
                response.answer.append(dns.rrset.from_text(f"{name}.", TTL_S, "IN", of_kind, text))
        target = next((line.split()[1] for line in lines if line.startswith("CNAME ")), None)
        if target is None:
            return response
        name = target
