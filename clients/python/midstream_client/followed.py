"""What a follower shows beside the events that it yields: where it is, and what they add up to."""

from collections.abc import Callable
from typing import Any, TypeVar

from midstream_client.answer import Answer
from midstream_client.conversation_following import ConversationFollowing, Turn
from midstream_client.following import Following, GenerationFollowing

F = TypeVar("F", bound=Following)


class Followed:
    """A generation that is followed, and its answer up to the last event that was given out."""

    following: GenerationFollowing

    @property
    def id(self) -> str | None:
        """The generation's id; None until the server has accepted it."""
        return self.following.id

    @property
    def cursor(self) -> str | None:
        """The id of the last event that was given out: keep it together with `answer` to go on another time."""
        return self.following.cursor

    @property
    def answer(self) -> Answer:
        """What stands so far: `state`, `text`, `parts`, `superseded`, `usage` and so on."""
        return self.following.answer

    @property
    def text(self) -> str:
        """The text that stands so far."""
        return self.following.answer.text

    @property
    def parts(self) -> list[dict[str, Any]]:
        """The parts that stand so far, in the shape of the snapshot's."""
        return self.following.answer.parts

    @property
    def state(self) -> str:
        """`queued`, `running`, `completed`, `failed` or `cancelled`, as far as the events tell."""
        return self.following.answer.state

    @property
    def ended(self) -> bool:
        """Whether there is nothing behind the cursor."""
        return self.following.done

    @property
    def reached(self) -> bool:
        """Whether the server has answered for it."""
        return self.following.reached

    def on_outage(self, call: Callable[[str], None]) -> None:
        """Sets what is called with the reason when reconnecting did not help at once; once in each outage."""
        self.following.on_outage = call


class FollowedConversation:
    """A conversation that is followed, and its turns up to the last event that was given out."""

    following: ConversationFollowing

    @property
    def id(self) -> str:
        """The caller's own name of it."""
        return self.following.name

    @property
    def cursor(self) -> str | None:
        """The id of the last event that was given out."""
        return self.following.cursor

    @property
    def path(self) -> str:
        """Its path on the server, for `call`: PATCH gives it a title, DELETE removes it."""
        return self.following.path

    @property
    def about(self) -> dict[str, Any]:
        """What its newest page says of it: `title`, `state`, `created`, `updated`, `count`."""
        names = ("id", "title", "state", "created", "updated", "count")
        return {name: self.following.page[name] for name in names if name in self.following.page}

    @property
    def turns(self) -> list[Turn]:
        """The turns that are known, in their order; `older` knows of more."""
        return self.following.turns
