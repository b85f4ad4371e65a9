"""Which models have a name here, in the shape of OpenAI's list, or of Anthropic's where a client of theirs asks."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query
from starlette.convertors import Convertor, register_url_convertor

from api.access.callers import Owner
from api.intake.allowed_models import AllowedModels
from api.intake.listed_models import simulates
from api.intake.model_names import ServedModels, resolve_name
from api.problems.limits import not_listed
from api.problems.problem import FieldError, ProblemError, documented, unprocessable
from api.schemas.models import AnthropicModel, AnthropicModelList, ModelAnswer, ModelList, ProviderAnswer
from api.schemas.no_store import no_store
from api.services import ApiServices, Use
from shared.record import DialectName

router = APIRouter(prefix="/v1/models", tags=["models"], dependencies=[no_store])


class _ModelName(Convertor[str]):
    """A model's name in a path: all that follows, slashes too, but none at the end, as at all addresses."""

    regex = ".*[^/]"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("model", _ModelName())

Version = Annotated[
    str | None,
    Header(alias="anthropic-version", description="Where it is sent, the answer has the shape that Anthropic's has."),
]


@router.head("", include_in_schema=False)
@router.get("", responses=documented(401, 422))
async def models(
    owner: Owner,
    use: Use,
    anthropic_version: Version = None,
    limit: Annotated[int, Query(ge=1, le=1_000, description="Models on a page, in Anthropic's shape.")] = 20,
    after_id: Annotated[str | None, Query(description="The page after this model, in Anthropic's shape.")] = None,
    before_id: Annotated[str | None, Query(description="The page before this model, in Anthropic's shape.")] = None,
) -> ModelList | AnthropicModelList:
    """Models that have a name here and that you may ask, which is the default, and their providers."""
    served = _allowed(use, owner).served()
    if anthropic_version is None:
        return listing(served)
    return page(served, limit, after_id, before_id)


@router.head("/{id:model}", include_in_schema=False)
@router.get("/{id:model}", responses=documented(401, 404))
async def model(
    id: Annotated[str, Path(description="What a request sends as `model`; it may hold slashes.")],
    owner: Owner,
    use: Use,
    anthropic_version: Version = None,
) -> ModelAnswer | AnthropicModel:
    """One model: any that can be asked for, whether it is listed or not."""
    dialects: tuple[DialectName, ...] = ("openai-chat", "openai-responses")
    found = found_model(id, _allowed(use, owner), dialects if anthropic_version is None else ("anthropic",))
    return found if anthropic_version is None else in_anthropics_shape(found)


def _allowed(use: ApiServices, owner: str) -> AllowedModels:
    return AllowedModels(use.settings.limits(owner).models, use.served)


def listing(served: ServedModels) -> ModelList:
    """Returns the models that the settings name, and the providers."""
    default = served.listed.default
    return ModelList(
        data=[_row(name, served) for name in served.listed.aliases],
        providers=[ProviderAnswer(name=name, protocol=entry.protocol) for name, entry in served.endpoints.items()],
        simulated=simulates(default or ""),
    )


def page(served: ServedModels, limit: int, after: str | None, before: str | None) -> AnthropicModelList:
    """Returns a page of the same models in Anthropic's shape. Raises ProblemError 422 for a place that is not there."""
    rows = [in_anthropics_shape(_row(name, served)) for name in served.listed.aliases]
    places = {row.id: place for place, row in enumerate(rows)}
    for parameter, value in (("after_id", after), ("before_id", before)):
        if value is not None and value not in places:
            message = "is no model of the list; send `last_id` or `first_id` of the page that you have"
            raise unprocessable([FieldError(pointer=parameter, message=message)])
    first = places[after] + 1 if after is not None else 0
    last = places[before] if before is not None else len(rows)
    # What is before a model is nearest to it; without one, a page is at the beginning.
    begin, end = (max(first, last - limit), last) if before is not None else (first, min(last, first + limit))
    shown = rows[begin:end]
    return AnthropicModelList(
        data=shown,
        has_more=begin > first if before is not None else end < last,
        first_id=shown[0].id if shown else None,
        last_id=shown[-1].id if shown else None,
    )


def found_model(name: str, allowed: AllowedModels, dialects: tuple[DialectName, ...]) -> ModelAnswer:
    """Returns a model by any name that a request in one of these dialects may send. Raises ProblemError 404.

    One that may not be asked is not there.
    """
    served = allowed.served()
    if name in served.listed.aliases:
        return _row(name, served)
    refused: ProblemError | None = None
    for dialect in dialects:
        try:
            meant = resolve_name(name, dialect, served)
        except ProblemError as error:
            refused = refused or error
        else:
            if meant.name not in allowed:
                raise not_listed()
            default = meant.name == served.listed.default
            return ModelAnswer(id=name, owned_by=meant.provider, provider=meant.provider, aliases=[], default=default)
    assert refused is not None
    raise refused


def in_anthropics_shape(answer: ModelAnswer) -> AnthropicModel:
    """Returns a model as Anthropic's clients read it."""
    return AnthropicModel(id=answer.id, display_name=answer.id)


def _row(name: str, served: ServedModels) -> ModelAnswer:
    provider = name.partition("/")[0]
    return ModelAnswer(
        id=name,
        owned_by=provider,
        provider=provider,
        aliases=[*served.listed.aliases[name]],
        default=name == served.listed.default,
    )
