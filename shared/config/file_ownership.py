"""Who else can write what this user's program finds in a folder."""

import os
import stat

ROOT_USER_ID = 0


def others_can_write(found: os.stat_result) -> str | None:
    """Returns how a user other than this one and root can write a file or folder; None where nobody else can.

    Many systems give each user a group of its own and let that group write: such a group counts as the user.
    """
    user = os.geteuid()
    if found.st_uid not in (user, ROOT_USER_ID):
        return f"belongs to another user ({_name(found.st_uid)})"
    if found.st_mode & stat.S_IWOTH:
        return "can be written by every user"
    if found.st_mode & stat.S_IWGRP and found.st_gid != ROOT_USER_ID and not _is_own_group(found.st_gid, user):
        return "can be written by other users of its group"
    return None


def _name(uid: int) -> str:
    import pwd  # there is none on Windows, where no file has such a user

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _is_own_group(gid: int, user: int) -> bool:
    import grp
    import pwd

    try:
        members = {pwd.getpwnam(name).pw_uid for name in grp.getgrgid(gid).gr_mem}
    except KeyError:
        members = set()
    members |= {one.pw_uid for one in pwd.getpwall() if one.pw_gid == gid}
    return members <= {user, ROOT_USER_ID}
