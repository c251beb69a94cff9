"""TLS: MLflow's variables, and what is said when a connection fails."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hokusai.client import GatewayClient
from hokusai.errors import ConfigurationError, UnreachableError
from hokusai.gateway_url import GatewayURL
from hokusai.tls import CLIENT_CERTIFICATE, INSECURE, SERVER_CERTIFICATE, tls_options
from scripted import ScriptedServer


def make_certificate(path: Path, host: str, days: int = 1) -> Path:
    """Write a self-signed certificate and its key to one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=9))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_general_name(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


class TLSServer:
    """Responds with `{}`, over TLS. client_authority: whose client certificates are required."""

    def __init__(self, certificate: Path, client_authority: Path | None = None) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        if client_authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_authority)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> TLSServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def get(url: str) -> object:
    client = GatewayClient(GatewayURL.parse(url), retry_seconds=0)
    return client.request("GET", "/limits", anonymous=True)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "server.pem", "127.0.0.1")


@pytest.fixture(scope="module")
def tls_server(certificate: Path) -> Iterator[TLSServer]:
    with TLSServer(certificate) as running:
        yield running


def test_a_private_authority_is_named_as_for_mlflow(
    tls_server: TLSServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnreachableError, match=r"not trusted.*MLFLOW_TRACKING_SERVER_CERT_PATH"):
        get(tls_server.url)
    monkeypatch.setenv(SERVER_CERTIFICATE, str(certificate))
    assert get(tls_server.url) == {}
    # Of two settings MLflow's is the nearer one.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/ssl/certs/ca-certificates.crt")
    assert get(tls_server.url) == {}
    monkeypatch.delenv(SERVER_CERTIFICATE)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    assert get(tls_server.url) == {}


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
@pytest.mark.parametrize("value", ["true", "True", "1"])
def test_the_certificate_is_not_verified_if_the_caller_says_so(
    tls_server: TLSServer, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv(INSECURE, value)
    assert get(tls_server.url) == {}
    monkeypatch.setenv(INSECURE, "false")
    with pytest.raises(UnreachableError):
        get(tls_server.url)


def test_a_certificate_of_the_caller_is_presented(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = make_certificate(tmp_path / "client.pem", "client")
    monkeypatch.setenv(SERVER_CERTIFICATE, str(certificate))
    with TLSServer(certificate, client_authority=own) as strict:
        with pytest.raises(UnreachableError):
            get(strict.url)
        monkeypatch.setenv(CLIENT_CERTIFICATE, str(own))
        assert get(strict.url) == {}


def test_settings_that_cannot_work_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="only one of"):
        tls_options({INSECURE: "true", SERVER_CERTIFICATE: str(tmp_path)})
    for name in (SERVER_CERTIFICATE, CLIENT_CERTIFICATE):
        with pytest.raises(ConfigurationError, match=f"{name} names .* does not exist"):
            tls_options({name: str(tmp_path / "missing.pem")})
    assert tls_options({}) == (None, None)


def test_a_certificate_of_another_host_or_time_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for host, days, words in (("other.example", 1, "another host"), ("127.0.0.1", -1, "expired")):
        path = make_certificate(tmp_path / f"{host}.pem", host, days)
        monkeypatch.setenv(SERVER_CERTIFICATE, str(path))
        with TLSServer(path) as server, pytest.raises(UnreachableError, match=words):
            get(server.url)


def test_https_to_a_port_without_tls_says_so(server: ScriptedServer) -> None:
    with pytest.raises(UnreachableError, match=r"TLS.*http://"):
        get(server.origin.replace("http://", "https://"))
