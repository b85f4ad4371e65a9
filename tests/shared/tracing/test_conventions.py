"""The words are those of the pinned conventions."""

from __future__ import annotations

import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.semconv.schemas import Schemas

from shared.tracing import conventions as words


def test_they_are_the_conventions() -> None:
    assert Schemas.V1_41_1.value == words.SCHEMA_URL
    assert [
        gen_ai_metrics.GEN_AI_CLIENT_OPERATION_DURATION,
        gen_ai_metrics.GEN_AI_CLIENT_OPERATION_TIME_TO_FIRST_CHUNK,
        gen_ai_metrics.GEN_AI_CLIENT_OPERATION_TIME_PER_OUTPUT_CHUNK,
        gen_ai_metrics.GEN_AI_CLIENT_TOKEN_USAGE,
    ] == [words.DURATION, words.TIME_TO_FIRST_CHUNK, words.TIME_PER_OUTPUT_CHUNK, words.TOKEN_USAGE]
    known = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    ours = {value for value in vars(words).values() if isinstance(value, str) and value.startswith("gen_ai.")}
    assert len(ours) > 14
    assert {name for name in ours if not name.startswith("gen_ai.client.")} <= known


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://mine.openai.azure.com/openai/v1", "azure.ai.openai"),
        ("https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1", "aws.bedrock"),
        ("https://api.openai.com.evil.test/v1", "named"),
        ("http://127.0.0.1:8080", "named"),
        ("nothing", "named"),
    ],
)
def test_a_provider_is_known_by_its_host(address: str, expected: str) -> None:
    assert words.provider_name("named", address) == expected


def test_a_server_is_its_host_and_port_alone() -> None:
    assert words.server("https://u:secret@a.test/v1?key=secret") == {"server.address": "a.test", "server.port": 443}
    assert words.server("http://[::1]:81/") == {"server.address": "::1", "server.port": 81}
    assert words.server("http://a.test/") == {"server.address": "a.test", "server.port": 80}
    assert words.server("") == {}


def test_well_known_providers_are_those_of_the_conventions() -> None:
    known = {value.value for value in gen_ai_attributes.GenAiProviderNameValues}
    assert set(words._PROVIDER_OF_HOST.values()) <= known
