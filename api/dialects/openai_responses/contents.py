"""Contents of input items as parts of native messages."""

import mimetypes
from collections.abc import Callable, Iterator
from typing import Any

from api.dialects.openai_responses.pointers import Pointers, refused, wrong

TEXTS = frozenset({"input_text", "output_text", "text", "summary_text", "reasoning_text"})

_NO_FILES = "names a file that OpenAI keeps; send its content, or its address"


def objects(value: Any, pointer: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the objects of a list, each with its pointer. Raises ProblemError for anything else."""
    if not isinstance(value, list):
        raise wrong(pointer, "must be a list")
    for at, one in enumerate(value):
        if not isinstance(one, dict):
            raise wrong(f"{pointer}/{at}", "must be an object")
        yield f"{pointer}/{at}", {name: item for name, item in one.items() if item is not None}


def text_of(one: dict[str, Any], field: str, pointer: str) -> str:
    """Returns a text. Raises ProblemError where it is none."""
    if not isinstance(text := one.get(field), str):
        raise wrong(f"{pointer}/{field}", "must be a string")
    return text


def parts_of(
    content: Any, pointer: str, native: str, pointers: Pointers, takes: Callable[[str], bool] = lambda kind: True
) -> str | list[dict[str, Any]]:
    """Returns a content as a native message has it. `takes` says whether such a message has this type of content.

    Raises ProblemError for what cannot be sent to any provider.
    """
    if isinstance(content, str):
        return content
    parts: list[dict[str, Any]] = []
    if not isinstance(content, list):
        raise wrong(pointer, "must be a string, or a list")
    for own, one in objects(content, pointer):
        kind = str(one.get("type", "input_text"))
        if not takes(kind):
            raise refused(f"{own}/type", f"{kind} cannot be honoured here; leave it out")
        pointers.put(f"{native}/{len(parts)}", own)
        part = _part(kind, one, own, f"{native}/{len(parts)}", pointers)
        if one.get("prompt_cache_breakpoint"):
            part["cache_control"] = {"type": "ephemeral"}
        parts.append(part)
    return parts


def _part(kind: str, one: dict[str, Any], own: str, native: str, pointers: Pointers) -> dict[str, Any]:
    if kind in TEXTS:
        return {"type": "text", "text": text_of(one, "text", own)}
    if kind == "input_image":
        pointers.put(f"{native}/image_url/url", f"{own}/image_url")
        pointers.put(f"{native}/image_url", own)
        return {"type": "image_url", "image_url": _image(one, own)}
    if kind == "input_file":
        pointers.put(f"{native}/file", own)
        return {"type": "file", "file": _file(one, own)}
    raise refused(f"{own}/type", f"{kind} cannot be honoured here; leave it out")


def _image(one: dict[str, Any], own: str) -> dict[str, Any]:
    if one.get("file_id"):
        raise refused(f"{own}/file_id", _NO_FILES)
    url = one.get("image_url")
    if isinstance(url, dict):  # as Chat has it
        return url
    return {"url": text_of(one, "image_url", own)} | ({"detail": one["detail"]} if "detail" in one else {})


def _file(one: dict[str, Any], own: str) -> dict[str, Any]:
    if one.get("file_id"):
        raise refused(f"{own}/file_id", _NO_FILES)
    file = {name: one[name] for name in ("file_data", "file_url", "filename") if one.get(name)}
    data, name = file.get("file_data"), file.get("filename")
    if isinstance(data, str) and data[:5].lower() != "data:":
        # Bare Base64, whose type only the name says.
        kind = mimetypes.guess_type(name)[0] if isinstance(name, str) else None
        file["file_data"] = f"data:{kind or 'application/octet-stream'};base64,{data}"
    return file
