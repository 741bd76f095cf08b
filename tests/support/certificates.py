"""Self-signed certificates for servers on this machine."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

from tools import require_tool


def make_certificate(directory: Path, name: str, days: int) -> tuple[Path, Path]:
    """Return the files of a self-signed certificate for `name`, valid for so many days, and of its key."""
    openssl = require_tool("openssl", "openssl")
    certificate, key = directory / f"{name}-{days}.pem", directory / f"{name}-{days}.key"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", str(days), "-subj", f"/CN={name}"]
    subprocess.run([*command, "-addext", f"subjectAltName=DNS:{name}"], check=True, capture_output=True)
    return certificate, key


def serving(files: tuple[Path, Path]) -> ssl.SSLContext:
    """Return the TLS settings of a server with a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context
