"""Where settings are written: on the command line, in variables, in `midstream.toml`; an earlier one wins."""

import difflib
import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.config.file_ownership import others_can_write
from shared.config.variables import NESTING_MARK, VARIABLE_PREFIX, Known, Text, settings_in
from shared.errors import SettingsError

_BARE = re.compile(r"[A-Za-z0-9_-]+")
"""A key of TOML without quotes."""
_LEAF = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What a shell lets a variable's name end in."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What the command line, the variables and the file say, and how the user wrote a setting."""

    options: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    """As tables: what `MIDSTREAM_PROVIDERS__LOCAL__BASE_URL` says is under `providers`, `local`, `base_url`."""
    variable_names: frozenset[str] = frozenset()
    file: Mapping[str, Any] = field(default_factory=dict)
    path: Path = Path("midstream.toml")

    def where(self, place: Iterable[str | int]) -> str:
        """Returns a setting's name as the user wrote it; where it is not set, as a user would write it."""
        names = [str(name) for name in place]
        if names[0] in self.options:
            return f"--{names[0].replace('_', '-')}"
        for length in range(len(names), 0, -1):
            variable = VARIABLE_PREFIX + NESTING_MARK.join(names[:length]).upper()
            if variable in self.variable_names and (length == len(names) or _has(self.variables, names)):
                rest = _dotted(names[length:])
                return f"{variable}: {rest}" if rest else variable
        in_file = f"{_dotted(names)} in {self.path}"
        if _has(self.file, names) or not all(map(_LEAF.fullmatch, names)):
            return in_file
        variable = VARIABLE_PREFIX + NESTING_MARK.join(names).upper()
        # What is missing belongs to what is written; without that, a variable is what every program can have.
        return in_file if len(names) > 1 and _has(self.file, names[:-1]) else variable


def read_sources(options: Mapping[str, Any], known: Known, environment: Mapping[str, str] = os.environ) -> Sources:
    """Reads the command line, the variables and the file. Raises SettingsError where one of them cannot be read."""
    named = environment.get("MIDSTREAM_CONFIG")
    path = Path(named or "midstream.toml")
    if named and not os.path.isfile(path):
        raise SettingsError(f"MIDSTREAM_CONFIG: no file at {named}; correct the path or unset it")
    written = settings_in(environment, known)
    return Sources(options, _tables(written, known), frozenset(written), _file(path, trusted=bool(named)), path)


def near(name: str, names: Iterable[str]) -> str:
    """Returns what to do about a name that is none of `names`."""
    found = difflib.get_close_matches(name, list(names), n=1)
    return f"did you mean {found[0]}?" if found else "docs/configuration.md has those that are"


def _tables(written: Mapping[str, Text], known: Known) -> dict[str, Any]:
    root: dict[str, Any] = {}
    # A leaf's own variable wins over what a JSON object says of it.
    for name, text in sorted(written.items(), key=lambda item: item[0].count(NESTING_MARK)):
        *path, last = name.removeprefix(VARIABLE_PREFIX).lower().split(NESTING_MARK)
        table = root
        for part in path:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise SettingsError(f"{name}: another variable says that {part} is no table; correct or unset one")
        table[last] = text if len(path) == known[(*path, last)[0]] else _object(name, text)
    return root


def _object(name: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise SettingsError(f'{name}: must be a JSON object, like {{"name": …}}; correct or unset it')
    return value


def _file(path: Path, *, trusted: bool) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as file:
            if not trusted and (flaw := others_can_write(os.fstat(file.fileno()))):
                # It could send the user's keys anywhere.
                remedy = "make it your own, or name it in MIDSTREAM_CONFIG if it is right"
                raise SettingsError(f"{path.absolute()}: {flaw}; {remedy}")
            return tomllib.loads(file.read())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); correct it, or its permissions") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SettingsError(f"{path}: is not UTF-8 (line {line}); save it as UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = re.search(r"\(at line \d+, column \d+\)|\(at end of document\)", str(error))
        raise SettingsError(f"{path}: is not TOML {found[0] if found else ''}; correct it there") from None


def _has(table: Mapping[str, Any], names: Iterable[str]) -> bool:
    found: Any = table
    for name in names:
        if not isinstance(found, Mapping) or name not in found:
            return False
        found = found[name]
    return True


def _dotted(names: Iterable[str]) -> str:
    return ".".join(name if _BARE.fullmatch(name) else json.dumps(name) for name in names)
