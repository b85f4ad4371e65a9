"""What is wrong with the way out, said before anything starts."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest

from shared.config import outbound
from shared.config.outbound import check, fault_at, faults, way_to
from shared.config.provider_settings import ProviderSettings
from shared.errors import SettingsError

REMOTE = {"openai": ProviderSettings(protocol="openai-chat")}
PLAIN = {"plain": ProviderSettings(protocol="openai-chat", base_url="http://models.test/v1")}
HERE = {"simulator": ProviderSettings(protocol="anthropic", base_url="http://127.0.0.1:8090")}
SECURE_HERE = {"secure": ProviderSettings(protocol="gemini", base_url="https://localhost:8443")}

BROKEN = {
    "socks4": ("ALL_PROXY", "socks4://user:secret@proxy.test:1"),
    "lower case": ("all_proxy", "socks4://user:secret@proxy.test:1"),
    "port": ("HTTPS_PROXY", "http://user:secret@proxy.test:99999"),
    "slash in a password": ("https_proxy", "http://user:sec/ret@proxy.test:1"),
    "no file": ("SSL_CERT_FILE", "/nonexistent/ca.pem"),
    "no folder": ("SSL_CERT_DIR", "/nonexistent"),
}


@pytest.fixture(scope="module")
def authorities() -> str:
    """A file with certificates of this machine's."""
    paths = ssl.get_default_verify_paths()
    for path in (paths.cafile, paths.openssl_cafile, "/etc/ssl/certs/ca-certificates.crt"):
        if path and Path(path).is_file():
            return path
    pytest.skip("this machine has no file of certificates")


@pytest.mark.parametrize(("variable", "value"), BROKEN.values(), ids=BROKEN)
def test_a_provider_that_depends_on_it_is_refused(variable: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        check(HERE | REMOTE, {variable: value})
    line = str(refused.value)
    assert line.startswith(f"{variable}: ")
    assert "provider openai" in line
    assert "unset it" in line
    assert line.isprintable()
    assert "sec" not in line
    assert "proxy.test" not in line


def test_a_key_log_that_cannot_be_written_stops_every_provider(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^SSLKEYLOGFILE: .* cannot be written .* simulator depends"):
        check(HERE, {"SSLKEYLOGFILE": "/nonexistent/keys"})
    assert check(HERE | REMOTE, {"SSLKEYLOGFILE": str(tmp_path / "keys")}) == []
    assert str(fault_at("https://a.test", {"SSLKEYLOGFILE": str(tmp_path)})).startswith("SSLKEYLOGFILE: ")
    assert fault_at("http://127.0.0.1", {"SSLKEYLOGFILE": str(tmp_path)}) is None


@pytest.mark.parametrize(("variable", "value"), BROKEN.values(), ids=BROKEN)
def test_without_one_it_is_a_warning(variable: str, value: str) -> None:
    (warning,) = check(HERE, {variable: value})
    assert warning.startswith(f"{variable}: ")
    assert "no provider" in warning
    assert warning.isprintable()
    assert "sec" not in warning


def test_who_depends_on_what() -> None:
    stale = {"SSL_CERT_FILE": "/nonexistent"}
    assert check(PLAIN, stale)
    with pytest.raises(SettingsError, match="provider secure"):
        check(SECURE_HERE, stale)
    with pytest.raises(SettingsError, match="provider plain"):
        check(PLAIN, stale | {"HTTP_PROXY": "https://proxy.test"})  # TLS to the proxy
    assert check(PLAIN, {"HTTPS_PROXY": "ftp://proxy.test"})
    assert check(REMOTE, {"HTTP_PROXY": "ftp://proxy.test"})
    assert check(REMOTE, {"ALL_PROXY": "ftp://proxy.test", "NO_PROXY": "openai.com"})
    assert check(SECURE_HERE, {"ALL_PROXY": "ftp://proxy.test"})


def test_nothing_is_said_of_what_is_not_used(authorities: str) -> None:
    usable = {"HTTP_PROXY": "http://proxy.test", "HTTPS_PROXY": "socks5://proxy.test", "SSL_CERT_FILE": authorities}
    # GNOME sets all three: no address goes by the last.
    assert check(REMOTE, usable | {"ALL_PROXY": "socks4://proxy.test", "SSL_CERT_DIR": "/nonexistent"}) == []
    assert check({}, {}) == []


def test_all_that_is_wrong_is_found() -> None:
    environment = {"HTTP_PROXY": "ftp://proxy.test", "HTTPS_PROXY": "http://", "SSL_CERT_FILE": "/nonexistent"}
    found = faults(HERE | REMOTE, environment)
    assert [(fault.subject, fault.provider) for fault in found] == [
        ("HTTP_PROXY", None),
        ("HTTPS_PROXY", "openai"),
        ("SSL_CERT_FILE", "openai"),
    ]


@pytest.mark.parametrize(
    "base_url", ["api.example.com/v1", "localhost:8080", "ftp://a.test", "http://[::1", "http:///v1"]
)
def test_an_address_that_is_none_is_refused(base_url: str) -> None:
    endpoint = ProviderSettings(protocol="openai-chat", base_url=base_url)
    with pytest.raises(SettingsError, match="provider mine: its address"):
        check({"mine": endpoint}, {"ALL_PROXY": "http://proxy.test"})


@pytest.mark.parametrize(
    ("content", "state"), [("", "no certificates"), ("-----BEGIN CERTIFICATE-----\n", "no certificates")]
)
def test_a_file_without_certificates(tmp_path: Path, content: str, state: str) -> None:
    (tmp_path / "ca.pem").write_text(content)
    assert state in str(fault_at("https://a.test", {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}))


def test_a_folder_is_no_file_and_a_file_no_folder(tmp_path: Path, authorities: str) -> None:
    assert "cannot be read (Is a directory)" in str(fault_at("https://a.test", {"SSL_CERT_FILE": str(tmp_path)}))
    assert "cannot be read (Not a directory)" in str(fault_at("https://a.test", {"SSL_CERT_DIR": authorities}))


def test_a_folder_needs_hashed_names(tmp_path: Path, authorities: str) -> None:
    environment = {"SSL_CERT_DIR": f"/nonexistent{os.pathsep}{tmp_path}"}
    (tmp_path / "ca.pem").symlink_to(authorities)
    assert fault_at("https://a.test", {"SSL_CERT_DIR": str(tmp_path)})
    assert fault_at("https://a.test", environment)
    (tmp_path / "0a1b2c3d.0").symlink_to(authorities)
    assert fault_at("https://a.test", environment) is None


def test_an_address_knows_its_own_faults_only() -> None:
    environment = {"HTTPS_PROXY": "ftp://proxy.test", "SSL_CERT_FILE": "/nonexistent"}
    assert str(fault_at("https://a.test", environment)).startswith("HTTPS_PROXY: ")
    assert str(fault_at("https://localhost", environment)).startswith("SSL_CERT_FILE: ")
    assert fault_at("http://a.test", environment) is None


def test_certificates_are_read_for_tls_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    outbound._trusted.cache_clear()
    assert way_to("http://a.test").certificates.cert_store_stats()["x509"] == 0
    with pytest.raises(FileNotFoundError):
        way_to("https://a.test")


def test_a_proxy_keeps_its_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks://user:p%40ss@proxy.test:1080")
    proxy = way_to("http://a.test").proxy
    assert proxy is not None
    assert (proxy.url.scheme, proxy.url.host, proxy.url.port) == ("socks5", "proxy.test", 1080)
    assert proxy.auth == ("user", "p@ss")
