import pytest

from simulator.faults import Fault, parse_fault
from simulator.script import READABLE_RATE, BadParameterError, UnknownScriptError, parse_script


def test_defaults() -> None:
    script = parse_script("clock")
    assert (script.name, script.rate, script.ttft, script.deltas, script.seed) == ("clock", 50, 0, None, 0)
    assert script.fault is None
    assert script.key == ""


def test_every_parameter() -> None:
    script = parse_script(
        "lorem?rate=0.5&ttft=250&deltas=30&seed=7&bytes=4000&unicode=1&surrogates=1&cached=3"
        "&fault=429&times=2&retry_after=1.5&key=a%20b&quirk=done-word,bom"
    )
    assert (script.rate, script.ttft, script.deltas, script.seed, script.bytes) == (0.5, 250, 30, 7, 4000)
    assert (script.unicode, script.surrogates, script.cached) == (True, True, 3)
    assert (script.fault, script.times, script.retry_after) == (Fault("429"), 2, "1.5")
    assert script.key == "a b"
    assert script.quirk == ("done-word", "bom")


@pytest.mark.parametrize(
    ("model", "parameter"),
    [
        ("clock?speed=1", "speed"),
        ("clock?rate=fast", "rate"),
        ("clock?rate=-1", "rate"),
        ("clock?rate=nan", "rate"),
        ("clock?deltas=1.5", "deltas"),
        ("clock?deltas=1000001", "deltas"),
        ("clock?deltas=", "deltas"),
        ("clock?deltas=--1", "deltas"),
        ("clock?seed=\u0661", "seed"),
        ("clock?seed=1&seed=1", "seed"),
        ("clock?chunk=3", "chunk"),
        ("lorem?chunk=0", "chunk"),
        ("lorem?unicode=yes", "unicode"),
        ("lorem?fault=explode", "fault"),
        ("lorem?fault=eof@", "fault"),
        ("lorem?fault=eof@-1", "fault"),
        ("lorem?fault=429@5", "fault"),
        ("lorem?times=1", "times"),
        ("lorem?fault=eof&retry_after=1", "retry_after"),
        ("lorem?quirk=bom&retry_after=1", "retry_after"),
        ("lorem?quirk=", "quirk"),
        ("lorem?quirk=Bom", "quirk"),
        ("lorem?quirk=bom, done", "quirk"),
        ("clock?quirk=bom", "quirk"),
        ("lorem?fault=429&retry_after=soon", "retry_after"),
        ("lorem?surrogates=1&deltas=9", "deltas"),
        ("lorem?bytes=100&deltas=5&chunk=2", "chunk"),
        ("tools?deltas=1", "deltas"),
    ],
)
def test_a_bad_parameter_is_named(model: str, parameter: str) -> None:
    with pytest.raises(BadParameterError, match=f"parameter '{parameter}'") as caught:
        parse_script(model)
    assert caught.value.parameter == parameter


def test_a_quirk_can_be_for_some_requests_only() -> None:
    script = parse_script("lorem?quirk=bom&times=3")
    assert (script.times, script.fault) == (3, None)


@pytest.mark.parametrize(
    "model",
    ["gpt-5", "o3", "claude-opus-5", "gemini-2.5-pro", "meta-llama/Llama-3-70b", "qwen3:8b", "gpt-5?rate=5&seed=2"],
)
def test_a_vendors_model_is_answered_for_by_the_demo(model: str) -> None:
    script = parse_script(model)
    assert (script.name, script.model) == ("demo", model)
    assert (script.rate, script.seed) == ((5, 2) if "?" in model else (READABLE_RATE, 0))


def test_a_parameter_that_the_stand_in_has_not_is_named() -> None:
    with pytest.raises(BadParameterError, match="is not one that 'demo' has"):
        parse_script("gpt-5?chunk=3")


@pytest.mark.parametrize("model", ["", "lorm", "LOREM", "?rate=1", "-5", "gpt 5", "gpt-5\n", "gpt-\u0665"])
def test_an_unknown_script(model: str) -> None:
    with pytest.raises(UnknownScriptError):
        parse_script(model)


@pytest.mark.parametrize(
    ("fault", "total", "position"),
    [("eof", 9, 0), ("eof@4", 9, 4), ("eof@last", 9, 8), ("eof@last", 0, 0), ("eof@50", 9, 9)],
)
def test_where_a_fault_strikes(fault: str, total: int, position: int) -> None:
    assert parse_fault(fault).position(total) == position
