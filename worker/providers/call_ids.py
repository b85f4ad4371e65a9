"""Ids of tool calls: made up where the provider gives none, and as another provider takes them.

A conversation may go on at another provider than the one that gave an id, and each has its own idea of one.
"""

import hashlib
import re
import string
from collections.abc import Iterable
from secrets import token_hex
from typing import NamedTuple
from urllib.parse import urlsplit

from shared.config.provider_settings import ProviderSettings
from worker.providers.stand_ins import stand_ins

_ALPHABET = string.digits + string.ascii_letters
_HASH_CHARS = 8


class IdRule(NamedTuple):
    """What ids a provider takes: `legal` ones, of `chars` characters at most, or exactly so many where it is `hashed`.

    An id that is refused keeps what may stand in one, with a hash of it behind that; a hashed one is only that.
    """

    legal: re.Pattern[str]
    chars: int
    hashed: bool = False


MESSAGES_IDS = IdRule(re.compile(r"[a-zA-Z0-9_-]+"), 64)
"""Anthropic: "tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"; Bedrock's own protocol has 64 at most."""

RESPONSES_IDS = IdRule(re.compile(r".{1,64}", re.DOTALL), 64)
"""OpenAI: "Invalid 'input[0].call_id': string too long. Expected a string with maximum length 64"."""

OPENAI_CHAT_IDS = IdRule(re.compile(r".{1,40}", re.DOTALL), 40)
"""OpenAI: "Invalid 'messages[0].tool_calls[0].id': string too long. Expected a string with maximum length 40"."""

MISTRAL_IDS = IdRule(re.compile(r"[a-zA-Z0-9]{9}"), 9, hashed=True)
"""Mistral: "Tool call id was … but must be a-z, A-Z, 0-9, with a length of 9"."""

_BEHIND_GATEWAYS = {
    re.compile(r"mi[sx]tral|codestral|devstral|magistral|mathstral|ministral|pixtral|voxtral"): MISTRAL_IDS,
    re.compile("claude"): MESSAGES_IDS,
    re.compile(r"\b(?:chat)?gpt-(?!oss)|\bo\d\b"): OPENAI_CHAT_IDS,
}


def made_up(part: int) -> str:
    """Returns an id for a call that has none, by its part: no other has it, in this answer or an earlier one."""
    return f"call_{token_hex(12)}{part}"


def rule_of(settings: ProviderSettings, model: str, *, official: bool = False) -> IdRule | None:
    """Returns what an endpoint takes; None where nothing is known to be refused. `official`: it is OpenAI's own.

    Over Chat a gateway may pass an id on as it is (openclaw/openclaw#57672 of Mistral and #875 of OpenAI behind
    OpenRouter), and templates of Mistral's models refuse it themselves (ml-explore/mlx-lm#1399): there the model's name
    counts too.
    """
    if settings.protocol == "anthropic":
        return MESSAGES_IDS
    if settings.protocol == "openai-responses":
        return RESPONSES_IDS
    if settings.protocol == "gemini":
        return None
    host = urlsplit(settings.address).hostname or ""
    if settings.preset == "mistral" or host.endswith(".mistral.ai"):
        return MISTRAL_IDS
    if official:
        return OPENAI_CHAT_IDS
    return next((rule for named, rule in _BEHIND_GATEWAYS.items() if named.search(model.lower())), None)


def legal_ids(ids: Iterable[str], rule: IdRule) -> dict[str, str]:
    """Returns what stands for those of the ids that are refused."""
    return stand_ins(ids, rule.legal, lambda one, tries: _candidate(one, rule, tries))


def _candidate(one: str, rule: IdRule, tries: int) -> str:
    seed = one if not tries else f"{tries} {one}"
    number = int.from_bytes(hashlib.sha256(seed.encode("utf-8", "surrogatepass")).digest())
    digits = ""
    for _ in range(rule.chars if rule.hashed else _HASH_CHARS):
        number, digit = divmod(number, len(_ALPHABET))
        digits += _ALPHABET[digit]
    if rule.hashed:
        return digits
    return f"{re.sub(r'[^a-zA-Z0-9_-]', '_', one)[: rule.chars - _HASH_CHARS - 1]}-{digits}"
