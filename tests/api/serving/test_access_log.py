"""Lines of the access log: the path without its query, and the request's id where it failed."""

from __future__ import annotations

import logging
import re

import pytest

from api.serving.access_log import AccessLog, WithoutQuery, logger
from tests.api.harness import BODY, Api, MakeApi, Producer

LINE = '%s - "%s %s HTTP/%s" %d'  # as uvicorn writes it


def logged(caplog: pytest.LogCaptureFixture, status: int, path: str = "/x?key=private") -> str:
    caplog.set_level(logging.INFO, logger.name)
    shown = WithoutQuery()
    logger.addFilter(shown)
    try:
        scope = {"method": "GET", "headers": [(b"x-request-id", b"mine")]}
        AccessLog(scope).info(LINE, "1.2.3.4:5", "GET", path, "1.1", status)
    finally:
        logger.removeFilter(shown)
    return caplog.records[-1].getMessage()


@pytest.mark.parametrize("status", [200, 204, 307])
def test_what_went_well_has_no_id(caplog: pytest.LogCaptureFixture, status: int) -> None:
    assert logged(caplog, status) == f'1.2.3.4:5 - "GET /x HTTP/1.1" {status}'


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_what_failed_has_the_answers_id(caplog: pytest.LogCaptureFixture, status: int) -> None:
    assert logged(caplog, status) == f'1.2.3.4:5 - "GET /x HTTP/1.1" {status} mine'


async def test_the_line_names_what_the_answer_names(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger.name)
    failed = await api.client.get("/v1/generations/x")
    fine = await api.client.post("/v1/generations", json=BODY)
    lines = [record.getMessage() for record in caplog.records if record.name == logger.name]
    assert [line.split('" ')[1] for line in lines] == [f"404 {failed.headers['x-request-id']}", "202"]
    assert re.fullmatch(r"req_[0-9a-f]{32}", fine.headers["x-request-id"])


@pytest.mark.parametrize(
    ("lines", "logged"),
    [("all", ["202", "200", "204", "404 ID"]), ("answers", ["202", "204", "404 ID"]), ("none", [])],
)
async def test_a_stream_has_a_line_where_all_are_wanted(
    make_api: MakeApi, redis_url: str, caplog: pytest.LogCaptureFixture, lines: str, logged: list[str]
) -> None:
    caplog.set_level(logging.INFO, logger.name)
    api = await make_api(redis_url, access_log=lines)
    producer = await Producer.start(api.log, await api.post())
    await producer.complete()
    *_, end = await api.events(producer.generation_id)
    assert await api.status(producer.generation_id, end.id) == 204
    assert await api.status("gen_" + "a" * 32) == 404
    ends = [record.getMessage().split('" ')[1] for record in caplog.records if record.name == logger.name]
    assert [re.sub("req_.*", "ID", end) for end in ends] == logged
