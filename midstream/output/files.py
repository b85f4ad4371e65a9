"""The files of an answer, on this machine's disk."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from midstream.errors import ClientError, NotFoundError

EXTENSION_OF_TYPE = {
    "application/json": ".json",
    "application/pdf": ".pdf",
    "audio/aac": ".aac",
    "audio/flac": ".flac",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/wav": ".wav",
    "image/gif": ".gif",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/svg+xml": ".svg",
    "image/webp": ".webp",
    "text/csv": ".csv",
    "text/plain": ".txt",
    "video/mp4": ".mp4",
}
"""Endings of file names, at which programs look; any other type is saved as `.bin`."""


def save(folder: Path, generation_id: str, parts: list[dict[str, Any]]) -> Iterator[str]:
    """Writes each whole file among a snapshot's parts into the folder, and yields its path.

    Names are made of the id, a number and the media type: nothing that a model said becomes part of a path. Raises
    NotFound where there is none, and ClientError where one cannot be written; a file that is there already stays.
    """
    whole = [part for part in parts if part.get("kind") == "file" and part.get("complete") and part.get("data")]
    if not whole:
        raise NotFoundError(f"{generation_id} has no files")
    for number, part in enumerate(whole, 1):
        media_type = str(part.get("media_type") or "").partition(";")[0].strip().lower()
        path = folder / f"{generation_id}-{number}{EXTENSION_OF_TYPE.get(media_type, '.bin')}"
        try:
            content = base64.b64decode(str(part["data"]), validate=True)
            with path.open("xb") as file:
                file.write(content)
        except FileExistsError:
            raise ClientError(f"{path} is there already") from None
        except ValueError:
            raise ClientError(f"file {number} of {generation_id} is not Base64") from None
        except OSError as error:
            path.unlink(missing_ok=True)
            raise ClientError(f"cannot write {path} ({error.strerror})") from None
        yield os.fspath(path)
