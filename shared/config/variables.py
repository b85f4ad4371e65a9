"""The variables named `MIDSTREAM_…`: settings of ours, what Kubernetes and Docker make by themselves, and strangers.

A Service named `midstream` puts `MIDSTREAM_SERVICE_HOST`, `MIDSTREAM_PORT=tcp://10.0.0.1:80` and more into every pod of
its namespace (Kubernetes, "Accessing the Service"; Docker's `--link` before it). Nobody wrote these, so they are passed
over in silence, also where a setting of ours has the name. A stranger is worth a warning: it may be one misspelt.
"""

import difflib
import os
import re
from collections.abc import Iterator, Mapping

VARIABLE_PREFIX = "MIDSTREAM_"
NESTING_MARK = "__"
"""Between the names of a dictionary's leaf: `MIDSTREAM_PROVIDERS__LOCAL__BASE_URL`."""
VARIABLES_WITHOUT_SETTING = frozenset({"MIDSTREAM_URL", "MIDSTREAM_KEY", "MIDSTREAM_CONFIG"})
"""Ours, but no settings: where the client commands find the API, and where the file is."""

_SERVICE = re.compile(
    r"MIDSTREAM_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR|START|END))?)"
)
_PORT = re.compile(r"(MIDSTREAM(?:_\w+)?)_PORT")
_LINK = re.compile(r"(tcp|udp|sctp)://\S+:\d+")
"""A port's address. IPv6 may be without brackets, as older releases of Kubernetes have it."""
_NAME = re.compile(r"/[\w.-]+/[\w.-]+")
"""Docker's `ALIAS_NAME`: who links, and as what."""


class Text(str):
    """A variable's value. There everything is text: `5` may be a number, which it is not in a file."""

    __slots__ = ()


Known = Mapping[str, int]
"""The settings by name, and how many names of a leaf may follow: none but for those that are tables."""


def settings_in(environment: Mapping[str, str], known: Known) -> dict[str, Text]:
    """Returns the variables that stand for settings, or for parts of them; an empty one counts as unset."""
    return {
        name: Text(value)
        for name, value in environment.items()
        if value and _is_setting(name, known) and not _made(name, value, environment)
    }


def strangers(known: Known, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Returns the names of the variables that stand for nothing known, in order."""
    return sorted(
        name
        for name, value in environment.items()
        if name.startswith(VARIABLE_PREFIX)
        and value
        and name not in VARIABLES_WITHOUT_SETTING
        and not _is_setting(name, known)
        and not _made(name, value, environment)
    )


def warnings(known: Known, environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """Yields one line for each stranger, with what it may have meant."""
    # Without the prefix, which makes any two of them alike.
    names = [name.upper() for name in known] + [
        name.removeprefix(VARIABLE_PREFIX) for name in sorted(VARIABLES_WITHOUT_SETTING)
    ]
    for name in strangers(known, environment):
        near = difflib.get_close_matches(
            name.removeprefix(VARIABLE_PREFIX).partition(NESTING_MARK)[0].upper(), names, n=1, cutoff=0.65
        )
        advice = (
            f"did you mean {VARIABLE_PREFIX}{near[0]}?"
            if near
            else "unset it, or see docs/configuration.md for what there is"
        )
        yield f"{name if name.isprintable() else ascii(name)}: no such setting, and passed over: {advice}"


def without_strangers(known: Known, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Returns the environment for processes of ours: who starts them has warned already."""
    unknown = strangers(known, environment)
    return {name: value for name, value in environment.items() if name not in unknown}


def _is_setting(name: str, known: Known) -> bool:
    setting, *leaf = name.removeprefix(VARIABLE_PREFIX).lower().split(NESTING_MARK)
    return name.startswith(VARIABLE_PREFIX) and len(leaf) <= known.get(setting, -1)


def _made(name: str, value: str, environment: Mapping[str, str]) -> bool:
    """Says whether Kubernetes or Docker made a variable."""
    if _SERVICE.fullmatch(name):
        return True
    if _PORT.fullmatch(name):
        return _LINK.fullmatch(value) is not None
    if name.endswith("_NAME"):
        return _NAME.fullmatch(value) is not None and _linked(name.removesuffix("_NAME"), environment)
    service, found, _ = name.partition("_ENV_")
    return bool(found) and _linked(service, environment)


def _linked(service: str, environment: Mapping[str, str]) -> bool:
    """Says whether Docker has set where this service listens: its other variables are then Docker's too."""
    return _LINK.fullmatch(environment.get(f"{service}_PORT", "")) is not None
