"""Contents as Messages has them (API reference: "Create a Message"): blocks of text, images and documents."""

from collections.abc import Sequence
from typing import Any

from shared.request.blank_texts import has_text
from shared.request.data_url import data_of, is_data
from shared.request.message_parts import CacheControl, File, FilePart, ImagePart, TextPart

Block = dict[str, Any]


def contents(content: str | Sequence[TextPart | ImagePart | FilePart]) -> list[Block]:
    """Returns the blocks of a content."""
    if isinstance(content, str):
        return texts(content)
    blocks: list[Block] = []
    for part in content:
        if isinstance(part, TextPart):
            blocks += texts([part])
        elif isinstance(part, ImagePart):
            blocks.append(marked({"type": "image", "source": _source(part.image_url.url)}, part.cache_control))
        else:
            blocks.append(marked(_document(part.file), part.cache_control))
    return blocks


def texts(content: str | Sequence[TextPart]) -> list[Block]:
    """Returns text blocks, and no blank ones, which the protocol refuses."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if has_text(content) else []
    return [marked({"type": "text", "text": part.text}, part.cache_control) for part in content if has_text(part.text)]


def marked(block: Block, mark: CacheControl | None) -> Block:
    """Returns a block with its mark, if it has one, of where a cached prompt ends (guide "Prompt caching")."""
    return block if mark is None else block | {"cache_control": mark.model_dump(exclude_none=True)}


def _source(url: str) -> Block:
    if not is_data(url):
        return {"type": "url", "url": url}
    data = data_of(url)
    return {"type": "base64", "media_type": data.media_type, "data": data.base64}


def _document(file: File) -> Block:
    """Returns the block of a PDF, or of text of any kind, which the protocol calls plain text."""
    source = _source(file.file_url or file.file_data or "")
    if source.get("media_type", "").startswith("text/"):
        text = data_of(file.file_data or "").content.decode("utf-8", "replace")
        source = {"type": "text", "media_type": "text/plain", "data": text}
    return {"type": "document", "source": source} | ({"title": file.filename} if file.filename else {})
