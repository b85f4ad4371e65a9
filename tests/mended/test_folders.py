"""A folder that somebody else has prepared: what it does with the user's keys."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.mended.conftest import Serve, Start
from tests.mended.running import environment, executable
from tests.mended.upstream import answer

KEY = "s3cret-of-the-shell"


@pytest.mark.mended("front-12")
def test_the_start_says_where_keys_go_and_no_header_of_the_shell_goes_along(start: Start, serve: Serve) -> None:
    upstream = serve({"m": answer()})
    toml = upstream.toml(api_key_env="SHELLS_KEY")
    toml += upstream.toml("also", protocol="anthropic", base_url=upstream.root)
    env = {
        "SHELLS_KEY": KEY,
        "OPENAI_CUSTOM_HEADERS": "X-Shell: openai",
        "ANTHROPIC_CUSTOM_HEADERS": "X-Shell: anthropic\nAuthorization: Bearer ambient",
    }
    running = start(toml=toml, env=env)
    said = running.output()
    assert str(running.folder / "midstream.toml") in said
    assert re.search(r"SHELLS_KEY goes to http://127\.0\.0\.1:\d+", said)
    assert KEY not in said
    for model in ("loc/m", "also/m"):
        running.end(running.ask(model))
    sent = upstream.sent["m"]
    assert len(sent) >= 2
    assert not [one.headers for one in sent if "x-shell" in one.headers or "ambient" in str(one.headers)]


@pytest.mark.mended("front-12")
def test_a_file_that_others_can_write_is_not_read(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "midstream.toml"
    file.write_text(serve({"m": answer()}).toml())
    file.chmod(0o666)

    def doctor(**env: str) -> subprocess.CompletedProcess[bytes]:
        words = [executable(), "doctor"]
        variables = environment(tmp_path, **env)
        return subprocess.run(words, cwd=tmp_path, env=variables, capture_output=True, timeout=30, check=False)

    refused = doctor()
    assert refused.returncode == 2, refused
    assert b"midstream.toml: can be written by every user" in refused.stderr
    assert b"can be written" not in doctor(MIDSTREAM_CONFIG=str(file)).stderr
