"""Which parameter of a request a provider refused, as far as it can be said without showing what the request holds.

A path is shown up to the first name in it that may be the caller's own: a key of a tool's schema, of `metadata`, of
arguments. Below the first name only numbers and the protocols' words pass, so that neither the prompt nor the key can
be in it, whatever a provider puts there. The first name may be any that looks like a field, as an error's code is
shown where it looks like one: it is a field of the request itself, perhaps of `extra`. In a text, which may be about
anything, it has to be a known one.
"""

import re
from collections.abc import Iterable, Iterator

from worker.providers.error_layers import ErrorLayer
from worker.providers.error_words import folded
from worker.providers.request_names import FIELDS, NAMES, OPEN_FIELDS

_MAX_PATH = 128
_MAX_HEAD = 400
"""Characters at the beginning of a text in which a path is looked for."""

_SHAPE = re.compile(r"[\w.\[\]/$#'\"-]{1,512}")
_SEGMENT = re.compile(r"(?P<before>[./\[]*)['\"]?(?:(?P<index>\d{1,6})(?!\w)|(?P<name>\$?[A-Za-z_]\w{0,63}))['\"]?\]?")
_FIELD = re.compile(r"(?=.{1,40}$)[a-z]+\d{0,2}(?:_[a-z]+\d{0,2}|[A-Z][a-z]+\d{0,2})*")
_VERSION = re.compile(r"_20\d{6}$")
_WRAPPING = re.compile(r"^(?:[#$]?[./])?(?:(?:body|GenerateContentRequest|request)[./])?")
_PATH = r"(?:#/)?[A-Za-z_][\w./\[\]]*"
_IN_TEXT = (
    # "tools.80.custom.input_schema: …" (Anthropic, DeepSeek, Bedrock), also behind a gateway's own words.
    re.compile(rf"(?:^|[:*-] |\b\d{{3}} )\s*({_PATH}): (?P<extra>Extra inputs are not permitted)?"),
    # "tools.function.parameters is not a valid … schema" (Kimi), "'messages.0' : for …" (Groq).
    re.compile(rf"(?:^|: )({_PATH}[.\[]{_PATH}) (?:is|must|should|cannot|does)\b"),
    re.compile(rf"^['\"`]({_PATH})['\"`]"),
    # "Invalid type for 'messages[0].content': …" (OpenAI), "Unknown name "x" at 'tools[0]': …" (Google).
    re.compile(rf"\b(?:for|at|parameter|argument|field):? ['\"`]({_PATH})['\"`]"),
    re.compile(rf"\b(?:parameter|argument supplied): ({_PATH})"),
)


def refused_parameter(layers: Iterable[ErrorLayer]) -> str | None:
    """Returns the parameter that an error names, or as much of its path as may be shown; None where it names none.

    It is in `param` (OpenAI), in `loc` (FastAPI: vLLM, Mistral), in google.rpc.BadRequest's `fieldViolations`, or at
    the head of the message (Anthropic).
    """
    layers = list(layers)
    for layer in layers:
        for text in _named(layer):
            if path := _shown(text, known=layer.quoted):
                return path
    for layer in layers:
        for pattern in _IN_TEXT:
            for match in pattern.finditer(layer.text[:_MAX_HEAD]):
                if path := _shown(match[1], known=not match.groupdict().get("extra")):
                    return path
    return None


def _named(layer: ErrorLayer) -> Iterator[str]:
    """Returns the paths that an error has in fields of their own."""
    if isinstance(param := layer.fields.get("param"), str):
        yield param
    if isinstance(loc := layer.fields.get("loc"), list):
        yield ".".join(str(name) for name in loc if name != "body")
    for detail in layer.details():
        violations = detail.get("fieldViolations") or detail.get("field_violations")
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, dict) and isinstance(path := violation.get("field"), str):
                yield path


def _shown(text: str, *, known: bool) -> str:
    """Returns the beginning of a path that may be shown; its first name may be any field's unless `known`."""
    path = text[_WRAPPING.match(text).end() :]  # type: ignore[union-attr]
    if _SHAPE.fullmatch(path) is None:
        return ""
    end, is_open = 0, False
    while match := _SEGMENT.match(path, end):
        first, name = end == 0, match["name"]
        if match.end() > _MAX_PATH or first == bool(match["before"]) or path[match.end() :][:1] not in ("", *"./["):
            break
        if name is None:
            if first or (is_open and "[" not in match["before"]):
                break
        elif is_open or not _may_be_shown(name, first=first, known=known):
            break
        end = match.end()
        word = folded(name or "")
        is_open = name is not None and (word in OPEN_FIELDS or (not first and word in ("input", "response")))
    return path[:end].rstrip("'\"")


def _may_be_shown(name: str, *, first: bool, known: bool) -> bool:
    word = folded(_VERSION.sub("", name))
    if not first:
        return word in NAMES
    return word in FIELDS or (not known and word not in ("none", "null") and _FIELD.fullmatch(name) is not None)
