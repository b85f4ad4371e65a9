"""What messages are made of: text, images, files, and how an answer was come to."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from shared.request.data_url import data_of, is_data
from shared.request.limits import MAX_PARTS
from shared.request.strict_model import Strict

Parts = Field(max_length=MAX_PARTS)


def _readable(url: str) -> str:
    if is_data(url):
        data_of(url)
    elif not _is_address(url):
        raise ValueError("must begin with http://, https:// or data:; a provider would read its own files otherwise")
    return url


def _is_address(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))


def _holds_data(url: str) -> str:
    data_of(url)
    return url


def _an_address(url: str) -> str:
    if not _is_address(url):
        raise ValueError("must begin with http:// or https://; what is sent along goes into file_data")
    return url


class CacheControl(Strict):
    """Marks the end of what Anthropic keeps of the prompt (provider documentation: "Prompt caching")."""

    type: Literal["ephemeral"] = "ephemeral"
    ttl: Literal["5m", "1h"] | None = None


class TextPart(Strict):
    """Text inside a message."""

    type: Literal["text"]
    text: str
    cache_control: CacheControl | None = None


Place = Annotated[int, Field(ge=0)]
"""Where in an answer something was said: the index of its part."""


class SaidText(TextPart):
    """Text inside an earlier answer; `part` is its place there."""

    part: Place | None = None


class ImageUrl(Strict):
    """An image by address or as a `data:` URL."""

    url: Annotated[str, AfterValidator(_readable)] = Field(min_length=1)
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(Strict):
    """An image inside a message."""

    type: Literal["image_url"]
    image_url: ImageUrl
    cache_control: CacheControl | None = None


class File(Strict):
    """A file as a `data:` URL or by address."""

    file_data: Annotated[str, AfterValidator(_holds_data)] | None = None
    file_url: Annotated[str, AfterValidator(_an_address)] | None = None
    filename: str | None = Field(default=None, min_length=1, max_length=255)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.file_data is None) == (self.file_url is None):
            raise ValueError("needs file_data or file_url, and not both")
        return self


class FilePart(Strict):
    """A file inside a message."""

    type: Literal["file"]
    file: File
    cache_control: CacheControl | None = None


ContentPart = Annotated[TextPart | ImagePart | FilePart, Field(discriminator="type")]
ResultPart = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class Reasoning(Strict):
    """How an assistant came to an earlier answer, as the events of that answer had it.

    Opaque fields go back only to `provider`, whose they are; without one it is plain text, which only the endpoints
    get that ask for it. `part` is its place in the answer; without text it is the signature of the text there.
    """

    text: str = ""
    summary: bool | None = None
    signature: str | None = None
    encrypted: str | None = None
    item_id: str | None = None
    provider: str | None = None
    part: Place | None = None

    @model_validator(mode="after")
    def _is_whose(self) -> Self:
        if (self.signature or self.encrypted) and not self.provider:
            raise ValueError("needs provider, as part_end named it: a signature is worth something there only")
        if not (self.text or self.signature or self.encrypted):
            raise ValueError("needs text, signature or encrypted")
        return self
