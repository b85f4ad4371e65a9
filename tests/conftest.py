"""What every test gets: its lane, an environment without settings, and a run that cannot hide a skip."""

from __future__ import annotations

import os
import re
from pathlib import Path

import hypothesis
import pytest

from shared.config.presets import PRESETS

# Read once: the tests themselves see none of our variables.
FORBID_SKIPS = os.environ.get("MIDSTREAM_FORBID_SKIPS") == "1"
REDIS_8 = os.environ.get("MIDSTREAM_REDIS_8")
LITELLM = os.environ.get("MIDSTREAM_LITELLM")
EXE = os.environ.get("MIDSTREAM_EXE")
"""The `midstream` that tests/mended tries, where it is not the one installed here."""
POINTS = [point for point in os.environ.get("MIDSTREAM_POINTS", "").split(",") if point]
"""Points of issues to which tests/mended is confined; all where empty."""
TEST_SEED = int(seed) if (seed := os.environ.get("MIDSTREAM_TEST_SEED")) else None
"""Of tests that draw random points: a failure names its seed."""
CHAOS_SECONDS = float(os.environ.get("MIDSTREAM_CHAOS_SECONDS", "30"))
WAY_OUT = {
    name: value
    for name, value in os.environ.items()
    if name.lower().endswith("_proxy") or name in ("SSL_CERT_FILE", "SSL_CERT_DIR")
}
"""Proxies and certificates of this machine, for what tests fetch; all else stays on loopback and sees none of them."""
OURS = (
    "MIDSTREAM_",
    "OPENAI_",
    "ANTHROPIC_",
    "GEMINI_",
    "GOOGLE_",
    *(f"{preset.prefix}_" for preset in PRESETS.values()),
)

# How long an example takes, or to draw it, says on a machine that others use too nothing of the code.
hypothesis.settings.register_profile(
    "shared machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared machine")

TESTS = Path(__file__).parent
FAST = ("shared", "simulator", "worker/providers", "contract")
"""Folders of `make test-fast`, where the tests need no server that is started for them."""
SLOW = (
    "bench", "chaos", "e2e", "faults", "mended", "midstream/commands", "midstream/processes", "midstream/test_",
    "model", "test_install.py", "upgrade",
)  # fmt: skip
"""Folders of `make test-slow`: real processes that are broken, or much of them. What shows a promise is not slow."""
SERVERS = re.compile(r"\b(?:valkey|redis7)\b")

skipped: list[str] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test its lane, by the folder that it is in."""
    for item in items:
        place = item.path.relative_to(TESTS).as_posix()
        if place.startswith(SLOW):
            if item.get_closest_marker("promise") is None:
                item.add_marker("slow")
        elif place.startswith(FAST) and not SERVERS.search(item.name):
            item.add_marker("fast")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Read no file that has none of the lane's tests: each process would import it, half a minute for all of them."""
    place = collection_path.relative_to(TESTS).as_posix() if collection_path.is_relative_to(TESTS) else "."
    if config.option.markexpr == "fast":
        fast = place == "." or place.startswith(FAST) or any(folder.startswith(f"{place}/") for folder in FAST)
        return None if fast else True
    if collection_path.is_dir() or collection_path.name == "conftest.py":
        return None
    if config.option.markexpr.startswith("slow and"):
        return None if place.startswith(SLOW) or "mark.slow" in collection_path.read_text() else True
    if config.option.markexpr.startswith("not slow"):
        return None if not place.startswith(SLOW) or "mark.promise" in collection_path.read_text() else True
    return None


def pytest_configure(config: pytest.Config) -> None:
    """Forget the environment where tests run: not in the process that only hands them out, whose children read it."""
    if hasattr(config, "workerinput") or config.getoption("dist", "no") == "no":
        forget_environment()


def forget_environment() -> None:
    """A developer's keys, settings and proxies change no test's outcome."""
    for name in list(os.environ):
        if name.startswith(OURS) or name in WAY_OUT:
            del os.environ[name]


@pytest.fixture(scope="session")
def chaos_seconds() -> float:
    """For how long tests/chaos/test_chaos.py breaks things."""
    return CHAOS_SECONDS


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        skipped.append(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        skipped.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if FORBID_SKIPS and skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FORBID_SKIPS and skipped:
        terminalreporter.section("skips are forbidden here (MIDSTREAM_FORBID_SKIPS=1)", red=True)
        for nodeid in skipped:
            terminalreporter.line(nodeid)
