"""The lock files hold what every supported Python and platform needs, with hashes and without our paths."""

from __future__ import annotations

import json
import re
from importlib.metadata import distribution
from itertools import product
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.harness.repository import ROOT

LOCKS = [
    "requirements.lock",
    "requirements-build.lock",
    "requirements-dev.lock",
    "requirements-bench.lock",
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "bench/peers").glob("requirements-*.lock"))),
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "tests/judges/sdks/locks").glob("requirements-*.lock"))),
    "api/web/requirements-node.lock",
]
FEW = {"requirements-build.lock": 4, "api/web/requirements-node.lock": 0}
"""Locks of few packages, and a number that each has more than."""
NPM_LOCKS = sorted(
    path.relative_to(ROOT)
    for pattern in ("api/*", "tests/judges/sdks/locks/*", "tests/e2e/*", "clients/*", "clients/examples/*")
    for path in ROOT.glob(f"{pattern}/package-lock.json")
)
INSTALLERS = ["Makefile", "Dockerfile", ".ci/run", "bench/environments.py", "hatch_build.py"]
"""What installs from a lock file."""

PLATFORMS = [
    {
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
        "sys_platform": platform,
        "platform_system": {"linux": "Linux", "darwin": "Darwin"}[platform],
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "os_name": "posix",
    }
    for python, platform, machine in product(
        ["3.11.0", "3.11.2", "3.11.9", "3.12.0", "3.13.0"],
        ["linux", "darwin"],
        ["x86_64", "aarch64", "arm64"],
    )
]


def pinned(lock: str) -> dict[str, str]:
    """Version of each package in a lock file."""
    lines = re.findall(r"^(\S+?)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in lines}


def missing(lock: str, extra: str) -> list[str]:
    """What packages of the lock require somewhere and the lock does not hold."""
    held = pinned(lock)
    found: list[str] = []
    for name in held:
        for text in distribution(name).requires or []:
            requirement = Requirement(text)
            needed = requirement.marker is None or any(
                requirement.marker.evaluate(platform | {"extra": extra}) for platform in PLATFORMS
            )
            if needed and canonicalize_name(requirement.name) not in held:
                found.append(f"{name} requires {text}")
    return found


def test_development_lock_holds_what_every_platform_needs() -> None:
    assert missing("requirements-dev.lock", extra="") == []


def test_runtime_lock_holds_what_every_platform_needs() -> None:
    assert missing("requirements.lock", extra="") == []


def test_build_lock_holds_what_every_platform_needs() -> None:
    assert missing("requirements-build.lock", extra="") == []


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-build.lock"])
def test_the_locks_agree(lock: str) -> None:
    part, everything = pinned(lock), pinned("requirements-dev.lock")
    assert part == {name: everything.get(name) for name in part}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_a_hash_for_each_package_and_names_no_machine(lock: str) -> None:
    text = (ROOT / lock).read_text()
    packages = re.split(r"^(?=\S+==)", text, flags=re.MULTILINE)[1:]
    assert len(packages) > FEW.get(lock, 15)
    assert all("--hash=sha256:" in package for package in packages)
    assert not re.search(r"https?:|file:/|--index|--find-links|(^|\s)/", text.replace("# via", ""))


@pytest.mark.parametrize("lock", NPM_LOCKS, ids=str)
def test_a_lock_of_npm_has_a_hash_for_each_package_and_names_no_machine(lock: Path) -> None:
    packages = json.loads((ROOT / lock).read_text())["packages"]
    installed = [package for place, package in packages.items() if place]
    assert installed
    assert all(package["integrity"].startswith("sha512-") for package in installed)
    assert not any("resolved" in package for package in installed)


@pytest.mark.parametrize("installer", INSTALLERS)
def test_what_is_locked_is_installed_without_resolving_anything(installer: str) -> None:
    text = (ROOT / installer).read_text()
    assert "--require-hashes" in text
    assert text.count("--require-hashes") == len(re.findall(r'--no-deps"?,? "?--require-hashes', text))
    assert re.search(r'pip"? check|"check"|\$\(PIP\) check|\$pip check', text)
