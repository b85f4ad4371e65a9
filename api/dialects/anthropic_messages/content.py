"""Content blocks of a Messages request as parts of ours (API reference: "Create a Message")."""

import base64
from typing import Any

from api.dialects.anthropic_messages.checks import a_list, a_text, a_type, an_object, cannot, only, within, wrong

_COMMON = ("type", "cache_control")


def texts_of(content: Any, pointer: str) -> str | list[dict[str, Any]]:
    """Returns the parts of what is a text or a list of texts. Raises ProblemError."""
    if isinstance(content, str):
        return content
    parts: list[dict[str, Any]] = []
    for at, block in enumerate(a_list(content, pointer)):
        place = within(pointer, at)
        fields = an_object(block, place)
        if a_type(fields, place) != "text":
            raise wrong(within(place, "type"), "must be text here")
        parts.append(text_of(fields, place))
    return parts


def text_of(fields: dict[str, Any], pointer: str) -> dict[str, Any]:
    """Returns a text; where it is cited from, which an answer says, no model is told again. Raises ProblemError."""
    only(fields, (*_COMMON, "text", "citations", "parsed_output"), pointer)
    return {"type": "text", "text": a_text(fields, "text", pointer)} | marked(fields)


def marked(fields: dict[str, Any]) -> dict[str, Any]:
    """Returns the mark of a block where the cache ends, if it has one."""
    return {"cache_control": fields["cache_control"]} if "cache_control" in fields else {}


def parts_of(block: dict[str, Any], pointer: str) -> list[dict[str, Any]]:
    """Returns the parts that a block of the user's is. Raises ProblemError for one that cannot be honoured."""
    match a_type(block, pointer):
        case "text":
            return [text_of(block, pointer)]
        case "image":
            return [_image(block, pointer)]
        case "document":
            return _document(block, pointer)
        case "search_result":
            return _search_result(block, pointer)
        case "container_upload":
            raise cannot(pointer, "names a file at Anthropic; send what it holds")
    raise wrong(within(pointer, "type"), "is of no block that can be honoured here; leave the block out")


def _image(block: dict[str, Any], pointer: str) -> dict[str, Any]:
    only(block, (*_COMMON, "source", "transformations"), pointer)
    if block.get("transformations"):
        raise cannot(within(pointer, "transformations"), "is Anthropic's work; send the image as it is to be seen")
    source, place = _source(block, pointer)
    if source["type"] not in ("base64", "url"):
        raise cannot(place, "names a file at Anthropic; send what it holds, as base64 or by url")
    url = a_text(source, "url", place) if source["type"] == "url" else _data_url(source, place)
    return {"type": "image_url", "image_url": {"url": url}} | marked(block)


def _source(block: dict[str, Any], pointer: str) -> tuple[dict[str, Any], str]:
    place = within(pointer, "source")
    source = an_object(block.get("source"), place)
    a_type(source, place)
    return source, place


def _data_url(source: dict[str, Any], pointer: str) -> str:
    return f"data:{a_text(source, 'media_type', pointer)};base64,{a_text(source, 'data', pointer)}"


def _document(block: dict[str, Any], pointer: str) -> list[dict[str, Any]]:
    """Returns a file, or what a document of blocks has; what the model is told about it goes before it."""
    only(block, (*_COMMON, "source", "title", "context", "citations"), pointer)
    _no_citations(block, pointer)
    said = a_text(block, "context", pointer) if "context" in block else ""
    about = [{"type": "text", "text": said}] if said else []
    source, place = _source(block, pointer)
    named = {"filename": a_text(block, "title", pointer)} if block.get("title") else {}
    match source["type"]:
        case "base64":
            file = {"file_data": _data_url(source, place)}
        case "text":
            text = a_text(source, "data", place)
            file = {"file_data": f"data:text/plain;base64,{base64.b64encode(text.encode()).decode()}"}
        case "url":
            file = {"file_url": a_text(source, "url", place)}
        case "content":
            return about + _marked_last(_of_content(source.get("content"), within(place, "content"), named), block)
        case _:
            raise cannot(place, "names a file at Anthropic; send what it holds")
    return [*about, {"type": "file", "file": file | named} | marked(block)]


def _of_content(content: Any, pointer: str, named: dict[str, Any]) -> list[dict[str, Any]]:
    title = [{"type": "text", "text": named["filename"]}] if named else []
    if isinstance(content, str):
        return [*title, {"type": "text", "text": content}]
    parts: list[dict[str, Any]] = []
    for at, block in enumerate(a_list(content, pointer)):
        place = within(pointer, at)
        parts += parts_of(an_object(block, place), place)
    return title + parts


def _search_result(block: dict[str, Any], pointer: str) -> list[dict[str, Any]]:
    """Returns a text: what was found, behind where."""
    only(block, (*_COMMON, "title", "source", "content", "citations"), pointer)
    _no_citations(block, pointer)
    found = texts_of(block.get("content"), within(pointer, "content"))
    texts = [found] if isinstance(found, str) else [part["text"] for part in found]
    text = "\n".join([a_text(block, "title", pointer), a_text(block, "source", pointer), "", *texts])
    return [{"type": "text", "text": text} | marked(block)]


def _no_citations(block: dict[str, Any], pointer: str) -> None:
    place = within(pointer, "citations")
    if an_object(block.get("citations", {}), place).get("enabled"):
        raise cannot(place, "has the model cite it, and no request of ours can say so; leave it out")


def _marked_last(parts: list[dict[str, Any]], block: dict[str, Any]) -> list[dict[str, Any]]:
    if parts:
        parts[-1] = parts[-1] | marked(block)
    return parts
