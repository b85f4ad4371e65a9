"""The head of a request (RFC 9112, 2 to 6): read strictly, and written anew in the one form that the parser gets."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv6Address
from typing import NamedTuple

from api.problems.problem import ProblemError

KNOWN_METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE"})
"""Methods that are read. CONNECT is none of them: no server here is a proxy."""
MAX_LENGTH_DIGITS = 18
"""Most digits of a length: no body has so many bytes, and the parser cannot count further."""

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VERSION = re.compile(rb"HTTP/([0-9])\.([0-9])")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_TARGET = re.compile(rb"[!-\"$-~]+")  # no fragment
_ABSOLUTE = re.compile(rb"https?://([^/?]*)([^?]*)(\?.*)?", re.IGNORECASE)
_AUTHORITY = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+;=-]|%[0-9A-Fa-f]{2})+)(?::([0-9]{0,5}))?")
_DROPPED = frozenset({b"upgrade", b"http2-settings", b"connection", b"trailer"})

Field = tuple[bytes, bytes]


class RequestLine(NamedTuple):
    """Method, target in origin or absolute form, and whether it is HTTP/1.0."""

    method: bytes
    target: bytes
    old: bool


class Head(NamedTuple):
    """What the parser gets, and how the body is framed: `length` bytes, or chunks where that is None."""

    written: bytes
    length: int | None


def malformed(what: str) -> ProblemError:
    """Returns the problem of bytes that are no request. `what` is a sentence, without what was sent."""
    return ProblemError(400, "malformed_http", "The request is malformed", f"{what} Send HTTP/1.1 as RFC 9112 has it.")


def begins(data: bytes | bytearray) -> bool:
    """Says whether these bytes can be the beginning of a request; TLS on a plain port is none."""
    return bool(_TOKEN.match(data[:1]))


def request_line(line: bytes) -> RequestLine:
    """Returns the first line of a head. Raises ProblemError 400, 501 for an unknown method, 505 for another version."""
    match line.split(b" "):
        case [method, target, version] if _TOKEN.fullmatch(method) and _TARGET.fullmatch(target):
            pass
        case _:
            raise malformed("The request line is not method, target and version.")
    found = _VERSION.fullmatch(version)
    if not found:
        raise malformed("The request line has no version.")
    if found[1] != b"1":
        raise ProblemError(
            505,
            "http_version_not_supported",
            "The version is not supported",
            "This server speaks HTTP/1.1 and HTTP/1.0 here. Use one of these, or a proxy that speaks the other.",
        )
    if method not in KNOWN_METHODS:
        raise ProblemError(
            501,
            "not_implemented",
            "The method is not known",
            "No address here knows this method. GET /openapi.json lists all routes.",
        )
    return RequestLine(method, target, found[2] == b"0")


def read_head(line: RequestLine, lines: Iterable[bytes]) -> Head:
    """Returns the head of these lines, without their ends. Raises ProblemError."""
    fields = [_field(one) for one in lines]
    host = _host(line, _values(fields, b"host"))
    target = line.target
    if absolute := _ABSOLUTE.fullmatch(target):
        # The authority of the target is what was asked for, whatever Host says (RFC 9112, 3.2.2).
        host = _authority(absolute[1])
        target = (absolute[2] or b"/") + (absolute[3] or b"")
    elif target == b"*" and line.method == b"OPTIONS":
        target = b"/"
    elif not target.startswith(b"/"):
        raise malformed("The target is neither a path nor an http address.")
    length = _length(line, fields)
    # That an upgrade is offered is no reason to take it (RFC 9110, 7.8), but the parser would then skip the body.
    dropped = _DROPPED | ({b"expect"} if line.old else set())
    connection = _connection(_values(fields, b"connection"))
    kept = [(name, value) for name, value in fields if name not in dropped and name != b"host"]
    if host is not None:
        kept.insert(0, (b"host", host))
    if connection:
        kept.append((b"connection", b", ".join(connection)))
    first = b"%b %b HTTP/1.%d\r\n" % (line.method, target, 0 if line.old else 1)
    return Head(b"".join([first, *(b"%b: %b\r\n" % field for field in kept), b"\r\n"]), length)


def _field(line: bytes) -> Field:
    name, colon, value = line.partition(b":")
    if not (colon and _TOKEN.fullmatch(name)):
        raise malformed("A header field has no name, or a space around it.")
    if not _VALUE.fullmatch(value):
        raise malformed("A header field has control characters.")
    return name.lower(), value.strip(b" \t")


def _values(fields: Sequence[Field], wanted: bytes) -> list[bytes]:
    return [value for name, value in fields if name == wanted]


def _host(line: RequestLine, hosts: Sequence[bytes]) -> bytes | None:
    if not hosts and line.old:
        return None
    if len(hosts) != 1:
        raise _bad_host("has none" if not hosts else "has several")
    return _authority(hosts[0])


def _authority(host: bytes) -> bytes:
    found = _AUTHORITY.fullmatch(host)
    if not found or int(found[2] or 0) > 65_535:
        raise _bad_host("has one that is no host")
    if found[1].startswith(b"["):
        try:
            IPv6Address(found[1][1:-1].decode())
        except ValueError:
            raise _bad_host("has one that is no host") from None
    return host


def _bad_host(what: str) -> ProblemError:
    return ProblemError(
        400,
        "invalid_host",
        "The Host is not valid",
        f"A request has one Host header, with a host and perhaps a port; this {what}.",
    )


def _length(line: RequestLine, fields: Sequence[Field]) -> int | None:
    lengths, codings = _values(fields, b"content-length"), _values(fields, b"transfer-encoding")
    if codings:
        # Two ways to find the end of a body are two ends, to two readers (RFC 9112, 6.3 and 11.2).
        if lengths or line.old:
            raise malformed("A Transfer-Encoding stands beside a Content-Length, or in HTTP/1.0.")
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            raise ProblemError(
                501,
                "not_implemented",
                "The transfer coding is not known",
                "The only transfer coding that is read here is `chunked`, once. Send the body without others.",
            )
        return None
    if not lengths:
        return 0
    if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > MAX_LENGTH_DIGITS:
        raise malformed("The Content-Length is not one number.")
    return int(lengths[0])


def _connection(values: Iterable[bytes]) -> list[bytes]:
    tokens = [token.strip(b" \t").lower() for value in values for token in value.split(b",")]
    return [token for token in tokens if token and token not in _DROPPED]
