"""Which variables count: ours, those that Kubernetes and Docker make, and strangers."""

from __future__ import annotations

import pytest

from shared.config.settings import SETTING_DEPTHS
from shared.config.variables import settings_in, strangers, warnings, without_strangers

SERVICES = {
    "MIDSTREAM_SERVICE_HOST": "10.0.0.1",
    "MIDSTREAM_SERVICE_PORT": "80",
    "MIDSTREAM_SERVICE_PORT_HTTP": "80",
    "MIDSTREAM_PORT": "tcp://10.0.0.1:80",
    "MIDSTREAM_PORT_80_TCP": "tcp://10.0.0.1:80",
    "MIDSTREAM_PORT_80_TCP_PROTO": "tcp",
    "MIDSTREAM_PORT_80_TCP_PORT": "80",
    "MIDSTREAM_PORT_80_TCP_ADDR": "10.0.0.1",
    "MIDSTREAM_REDIS_SERVICE_HOST": "fd00::1",
    "MIDSTREAM_REDIS_PORT": "tcp://[fd00::1]:6379",
    "MIDSTREAM_REDIS_URL_PORT": "tcp://fd00::1:6379",
    "MIDSTREAM_REDIS_URL_SERVICE_PORT_REDIS": "6379",
    "MIDSTREAM_API_PORT_53_UDP": "udp://10.0.0.1:53",
    "MIDSTREAM_API_PORT_9_SCTP_ADDR": "10.0.0.1",
    "MIDSTREAM_PROVIDERS__LOCAL_SERVICE_HOST": "10.0.0.2",
    "MIDSTREAM_DB_PORT": "tcp://172.17.0.5:5432",
    "MIDSTREAM_DB_NAME": "/app/midstream-db",
    "MIDSTREAM_DB_ENV_POSTGRES_VERSION": "18",
}


def test_what_kubernetes_and_docker_make_is_passed_over() -> None:
    assert settings_in(SERVICES, SETTING_DEPTHS) == {}
    assert strangers(SETTING_DEPTHS, SERVICES) == []


def test_settings_beside_it_count() -> None:
    ours = {
        "MIDSTREAM_PORT": "9000",
        "MIDSTREAM_PROVIDERS__LOCAL__BASE_URL": "http://127.0.0.1:1",
        "MIDSTREAM_MODELS__FAST": "local/x",
        "MIDSTREAM_LEASE": "",
    }
    assert settings_in(SERVICES | ours, SETTING_DEPTHS).keys() == ours.keys() - {"MIDSTREAM_LEASE"}


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("MIDSTREAM_LEESE", "5", "did you mean MIDSTREAM_LEASE?"),
        ("MIDSTREAM_REDIS_PORT", "6379", "did you mean MIDSTREAM_REDIS_URL?"),
        ("MIDSTREAM_API_KEY", "a:b", "did you mean MIDSTREAM_API_KEYS?"),
        ("MIDSTREAM_LEASE__X", "5", "did you mean MIDSTREAM_LEASE?"),
        ("MIDSTREAM_VERSION", "3", "unset it"),
        ("MIDSTREAM_DB_NAME", "/app/db", "unset it"),
        ("MIDSTREAM_DB_ENV_X", "1", "unset it"),
    ],
)
def test_a_stranger_is_one_warning_without_its_value(name: str, value: str, advice: str) -> None:
    environment = {name: value, "MIDSTREAM_URL": "http://127.0.0.1:8000", "HOME": "/"}
    (warning,) = warnings(SETTING_DEPTHS, environment)
    assert warning.startswith(f"{name}: no such setting")
    assert advice in warning
    assert value == "5" or value not in warning.partition(": ")[2]
    assert without_strangers(SETTING_DEPTHS, environment).keys() == environment.keys() - {name}
