"""Names of tools as a provider takes them: MCP allows dots and slashes, and callers blanks, which most refuse."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from shared.config.protocols import Protocol
from worker.providers.stand_ins import stand_ins

_HASH_CHARS = 8


class NameRule(NamedTuple):
    """What names a provider takes: `legal` ones, of `chars` characters at most."""

    legal: re.Pattern[str]
    chars: int
    refused: re.Pattern[str]
    """A character that none may have."""


_OPENAI = NameRule(re.compile(r"[a-zA-Z0-9_-]{1,64}"), 64, re.compile(r"[^a-zA-Z0-9_-]"))

NAME_RULES: Mapping[Protocol, NameRule] = {
    # API reference, "Create chat completion": "Must be a-z, A-Z, 0-9, or contain underscores and dashes, with a maximum
    # length of 64". Compatible endpoints have it too, or take more.
    "openai-chat": _OPENAI,
    "openai-responses": _OPENAI,
    # "tools.0.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'"
    "anthropic": NameRule(re.compile(r"[a-zA-Z0-9_-]{1,128}"), 128, re.compile(r"[^a-zA-Z0-9_-]")),
    # API reference, `FunctionDeclaration`: "Must be a-z, A-Z, 0-9, or contain underscores, colons, dots, and dashes,
    # with a maximum length of 64"; Vertex AI's adds "Must start with a letter or an underscore".
    "gemini": NameRule(re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}"), 64, re.compile(r"[^a-zA-Z0-9_.:-]")),
}


def legal_names(names: Iterable[str], rule: NameRule) -> dict[str, str]:
    """Returns what stands for those of the names that are refused."""
    return stand_ins(names, rule.legal, lambda name, tries: _candidate(name, rule, tries))


def _candidate(name: str, rule: NameRule, tries: int) -> str:
    """Returns the name as it reads best, and with a hash behind it where that is taken or it was cut."""
    written = rule.refused.sub("_", name)
    if not rule.legal.fullmatch(written[:1]):
        written = f"_{written}"
    if not tries and len(written) <= rule.chars:
        return written
    seed = f"{tries} {name}".encode("utf-8", "surrogatepass")
    return f"{written[: rule.chars - _HASH_CHARS - 1]}_{hashlib.sha256(seed).hexdigest()[:_HASH_CHARS]}"
