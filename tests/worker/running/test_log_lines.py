"""What the worker's log says of a generation, and what it never says."""

from __future__ import annotations

import logging

import pytest

from shared.config.provider_settings import ProviderSettings
from shared.log.events import Cancelled, Completed, Failed, Usage
from shared.record import Record
from worker.running import log_lines


def record(owner: str = "alice") -> Record:
    return Record(
        id="gen_x", owner=owner, model="openai/m", shown=b"{}", fingerprint="", on_interrupt="restart", ttl_ms=1000,
        created_ms=1, state="running", attempts=1, seal=None, ended_ms=None, cancel_requested=False, failures=0,
        max_attempts=3, beside=False, pardons=0, choice=0,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "midstream.worker")


def test_start_and_end_are_a_line_each(caplog: pytest.LogCaptureFixture) -> None:
    log_lines.start(record(), "simulator/lorem?deltas=9", 1)
    end = Completed(finish_reason="stop", usage=Usage(input_tokens=3, output_tokens=5))
    log_lines.end(record(), "openai/gpt-5-mini", 2, 1234, end, None)
    log_lines.end(record(), "openai/m", 1, 5, Cancelled(), None)
    assert caplog.messages == [
        "gen_x started owner=alice model=simulator/lorem attempt=1",
        "gen_x completed owner=alice model=openai/gpt-5-mini attempts=2 input_tokens=3 output_tokens=5 ms=1234 "
        "finish_reason=stop",
        "gen_x cancelled owner=alice model=openai/m attempts=1 ms=5",
    ]


def test_a_failure_is_a_warning_with_its_code_and_the_host_but_no_text(caplog: pytest.LogCaptureFixture) -> None:
    endpoint = ProviderSettings(protocol="openai-chat", base_url="https://u:secret@a.test:8443/v1?key=secret")
    end = Failed(code="connection", message="secret", retryable=True)
    log_lines.end(record(), "openai/m", 3, 9, end, endpoint)
    (line,) = caplog.records
    assert line.levelno == logging.WARNING
    assert line.getMessage() == (
        "gen_x failed code=connection owner=alice model=openai/m attempts=3 ms=9 host=a.test:8443"
    )


@pytest.mark.parametrize("name", ["a\nERROR forged", "a b=c", "a\x1b[2J", 'a"b', "a\u2028b", ""])
def test_a_name_is_one_value_on_one_line(name: str, caplog: pytest.LogCaptureFixture) -> None:
    log_lines.start(record(owner=name), name, 1)
    (message,) = caplog.messages
    assert message.isascii()
    assert message.isprintable()
    assert " forged model" not in message
    assert f'owner="{name[:1]}' in message


def test_a_model_is_shown_up_to_what_no_name_holds(caplog: pytest.LogCaptureFixture) -> None:
    log_lines.start(record(), "p/x\n2026-01-01 ERROR api: forged", 1)
    log_lines.start(record(), "p/é y?text=secret", 1)
    assert [message.partition("model=")[2] for message in caplog.messages] == [
        '"p/x\\u2026" attempt=1',
        '"p/\\u00e9 y" attempt=1',
    ]


def test_a_long_name_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    log_lines.start(record(), "m" * 512, 1)
    assert len(caplog.messages[0]) < 200
