"""What an owner may ask: its models, and whether its requests may hold fields that only a provider knows."""

from collections.abc import Iterator

from api.intake.allowed_models import AllowedModels
from api.intake.body_errors import MAX_NAMED_FIELDS, escaped
from api.intake.model_names import ServedModels
from api.problems.limits import extra_not_allowed, model_not_allowed
from api.problems.problem import FieldError
from shared.config.owner_settings import OwnerLimits
from shared.request.generation_request import GenerationRequest


def permit(request: GenerationRequest, limits: OwnerLimits, served: ServedModels) -> None:
    """Raises ProblemError 403 for a request that its owner may not send, by its resolved models and its `extra`."""
    if limits.models is not None:
        allowed = AllowedModels(limits.models, served)
        asked = {"/model": request.model} | {f"/fallback/{n}": name for n, name in enumerate(request.fallback or [])}
        message = "is none of the models that your key's owner may ask; GET /v1/models lists them"
        if errors := [FieldError(pointer=at, message=message) for at, name in asked.items() if name not in allowed]:
            raise model_not_allowed(errors)
    if not limits.extra and (errors := list(_extra(request))[:MAX_NAMED_FIELDS]):
        raise extra_not_allowed(errors)


def _extra(request: GenerationRequest) -> Iterator[FieldError]:
    for provider, fields in request.extra.items():
        for field in fields:
            pointer = f"/extra/{escaped(provider)}/{escaped(field)}"
            yield FieldError(pointer=pointer, message="is for the provider alone, and not allowed; leave it out")
