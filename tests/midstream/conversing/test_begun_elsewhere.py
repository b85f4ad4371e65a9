"""What somebody else begins."""

from __future__ import annotations

import threading
from functools import partial

from midstream.client.http_client import HttpClient
from midstream.conversing.begun_elsewhere import BegunElsewhere
from midstream.conversing.place import Newest, Place
from midstream.processes.polling import until
from tests.midstream.conversing.conftest import page, turn
from tests.midstream.scripted_api import ScriptedApi


def begins(number: int, type: str = "generation") -> tuple[str | None, str, dict[str, object]]:
    about = {"generation": f"gen_{number}", "number": number, "previous": None, "model": "m"}
    return (f"{number}.0-0" if type == "generation" else None, type, about)


async def test_it_is_told_once_and_the_next_turn_goes_on_from_it(scripted_api: ScriptedApi) -> None:
    scripted_api.answers.append(page(turn(2), turn(1), cursor="x.1-1"))
    scripted_api.log = [begins(2), begins(3), ("3.1-0", "part", {"part": 0, "kind": "text"}), begins(3), begins(4)]
    scripted_api.hold_at = 5
    with HttpClient(scripted_api.url) as client:
        place = Place(client, "trip")
        others = BegunElsewhere(partial(HttpClient, scripted_api.url), place)
        place.heard(Newest("gen_1", None, "m", "completed"))
        others.listen()
        # gen_2 was begun while nobody listened.
        assert others.take()[0] == "gen_2"
        assert await until(lambda: others.any, 10)
        assert scripted_api.held.wait(10)
        taken: list[str] = []

        def all_taken() -> bool:
            taken.extend(others.take())
            return taken == ["gen_3", "gen_4"]

        assert await until(all_taken, 10)
        assert (place.previous, place.runs) == ("gen_4", True)
        assert {"gen_2", "gen_3", "gen_4"} <= place.known
    assert scripted_api.cursors() == ["x.1-1"]


async def test_who_is_paused_leaves_at_what_happens_next(scripted_api: ScriptedApi) -> None:
    scripted_api.answers.append(page(turn(1), cursor="x.1-1"))
    scripted_api.log = [("1.1-5", "part", {"part": 0, "kind": "text"}), begins(2)]
    scripted_api.hold_at = 1
    with HttpClient(scripted_api.url) as client:
        place = Place(client, "trip")
        others = BegunElsewhere(partial(HttpClient, scripted_api.url), place)
        place.known.add("gen_1")
        before = set(threading.enumerate())
        others.listen()
        assert scripted_api.held.wait(10)
        (listening,) = (one for one in threading.enumerate() if one not in before and one.name == "conversation")
        others.pause()
        others.listen()
        assert len(scripted_api.received) == 2, "nothing was missed, so it goes on"
        others.pause()
        scripted_api.released.set()
        # It has left: what was asked here meanwhile is found by a look.
        scripted_api.page = page(turn(2), turn(1))
        assert await until(lambda: not listening.is_alive(), 10)
        assert not others.any
        place.heard(Newest("gen_2", "gen_1", "m", "completed"))
        others.listen()
        assert not others.any
