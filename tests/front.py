"""The nginx of docs/front before a server of the tests: the file as it is shipped, but for names and the port."""

import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.services import found, free_port
from tests.waiting import until_async

SHIPPED = Path(__file__).parents[1] / "docs" / "front" / "nginx.conf"
_MAIN = """daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{}}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/front.conf;
}}
"""


@asynccontextmanager
async def front(folder: Path, behind: str) -> AsyncIterator[str]:
    """Its https address, with a certificate that nobody knows; skips where there is no nginx."""
    process, address = _started(folder, behind)
    try:
        async with httpx.AsyncClient(verify=False) as http:

            async def answers() -> bool:
                assert process.poll() is None, (folder / "error.log").read_text()
                try:
                    return (await http.get(address)).status_code == 403
                except httpx.TransportError:
                    return False

            await until_async(answers)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=15)


def _started(folder: Path, behind: str) -> "tuple[subprocess.Popen[bytes], str]":
    program, port = found("nginx", Path("/usr/sbin")), free_port()
    folder.mkdir()
    _certificate(folder)
    text = SHIPPED.read_text()
    for shipped, here in (
        ("listen 8443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("/etc/nginx/front/", f"{folder}/"),
        ("http://influxdb:8086/", f"{behind}/"),
    ):
        assert shipped in text
        text = text.replace(shipped, here)
    (folder / "front.conf").write_text(text)
    # Started by root its workers would be nobody, who may not look into a test's folder.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "main.conf").write_text(_MAIN.format(folder=folder, user=user))
    command = [program, "-p", str(folder), "-c", str(folder / "main.conf"), "-e", str(folder / "error.log")]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL), f"https://127.0.0.1:{port}"


def _certificate(folder: Path) -> None:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "influx.example.org")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "fullchain.pem").write_bytes(made.public_bytes(pem))
    (folder / "privkey.pem").write_bytes(key.private_bytes(pem, *plain))
