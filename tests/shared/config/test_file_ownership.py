"""Who can write a file is this user, or it is said who else can."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from shared.config.file_ownership import others_can_write

ME, OTHER, MY_GROUP, STAFF = 4001, 4002, 5001, 5002


@pytest.fixture(autouse=True)
def _users(monkeypatch: pytest.MonkeyPatch) -> None:
    def user(name: str, uid: int, gid: int) -> pwd.struct_passwd:
        return pwd.struct_passwd((name, "x", uid, gid, "", "/", "/bin/sh"))

    users = [user("root", 0, 0), user("me", ME, MY_GROUP), user("other", OTHER, STAFF)]
    groups = {MY_GROUP: [], STAFF: ["me"]}

    def group(gid: int) -> Any:
        return grp.struct_group((str(gid), "x", gid, groups[gid]))  # KeyError, as of one that nobody knows

    monkeypatch.setattr(os, "geteuid", lambda: ME)
    monkeypatch.setattr(pwd, "getpwall", lambda: users)
    monkeypatch.setattr(pwd, "getpwnam", lambda name: next(one for one in users if one.pw_name == name))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: {one.pw_uid: one for one in users}[uid])
    monkeypatch.setattr(grp, "getgrgid", group)


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "flaw"),
    [
        (0o644, ME, MY_GROUP, None),
        (0o600, ME, STAFF, None),
        (0o664, ME, MY_GROUP, None),  # each user has a group of its own on many systems
        (0o664, ME, 0, None),
        (0o664, ME, 5999, None),  # of a group without anybody
        (0o644, 0, 0, None),
        (0o664, ME, STAFF, "can be written by other users of its group"),
        (0o646, ME, MY_GROUP, "can be written by every user"),
        (0o666, 0, 0, "can be written by every user"),
        (0o600, OTHER, MY_GROUP, "belongs to another user (other)"),
        (0o600, 4999, MY_GROUP, "belongs to another user (4999)"),
    ],
)
def test_who_else_can_write_it(mode: int, uid: int, gid: int, flaw: str | None) -> None:
    found = os.stat_result((0o100000 | mode, 1, 1, 1, uid, gid, 0, 0, 0, 0))
    assert others_can_write(found) == flaw


def test_a_real_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    file = tmp_path / "file"
    file.touch(mode=0o600)
    assert others_can_write(file.stat()) is None
    file.chmod(0o666)
    assert others_can_write(file.stat()) == "can be written by every user"
