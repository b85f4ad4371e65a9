"""The codes that providers give their errors, and which of our codes each one is."""

import re
from collections.abc import Iterable, Mapping

from worker.providers.provider import ErrorCode

STATUSES: dict[int, ErrorCode] = {
    401: "authentication",
    402: "permission",
    403: "permission",
    404: "not_found",
    405: "not_found",  # nothing there takes a POST: another address is meant
    408: "provider_timeout",
    409: "provider_error",
    410: "not_found",  # GitHub Models, Hugging Face: a model that is served no more
    424: "provider_error",  # Bedrock's ModelErrorException, Azure: what is behind the endpoint failed
    425: "provider_error",
    429: "rate_limit",
    498: "overloaded",  # Groq: "Flex Tier Capacity Exceeded"
    499: "provider_error",
    501: "bad_request",
    503: "overloaded",
    504: "provider_timeout",
    522: "provider_timeout",  # Cloudflare, as are 520 to 527 and 530: its connection to the provider timed out
    524: "provider_timeout",
    529: "overloaded",
    598: "provider_timeout",
}
"""What a status means by itself. Any other 4xx is `bad_request`, any other 5xx `provider_error`."""

VAGUE_STATUSES = frozenset({400, 422, 500, 502})
"""Statuses that gateways use for anything, so that the provider's own code says more."""


def folded(word: str) -> str:
    """Returns the word as it is compared: `RateLimitError`, `rate_limit_error` and `RATE_LIMIT` are one."""
    return re.sub(r"[^a-z0-9]", "", word.lower()).removesuffix("error")


def _table(*rows: tuple[ErrorCode, Iterable[str]]) -> dict[str, ErrorCode]:
    return {folded(word): code for code, words in rows for word in words}


NARROWER: Mapping[str, ErrorCode] = _table(
    (
        "context_length",
        (
            "context_length_exceeded",  # OpenAI, Azure, Groq, Cerebras
            "exceed_context_size_error",  # llama.cpp
            "ContextWindowExceededError",  # LiteLLM
            "context_window_exceeded",
            "model_context_window_exceeded",
            "model_max_prompt_tokens_exceeded",  # GitHub Copilot
            "max_prompt_tokens_exceeded",
            "tokens_limit_reached",  # GitHub Models, with 413
            "prompt_too_long",
            "input_too_long",
        ),
    ),
    (
        "content_filter",
        (
            "content_filter",
            "content_policy_violation",
            "ContentPolicyViolationError",  # LiteLLM
            "ResponsibleAIPolicyViolation",  # Azure's `innererror`
            "DataInspectionFailed",  # DashScope
            "data_inspection_failed",
        ),
    ),
    ("authentication", ("API_KEY_INVALID",)),
    # Google's words for a country or an account that it does not serve; DashScope's for an account in arrears.
    ("permission", ("FAILED_PRECONDITION", "Arrearage")),
)
"""Codes that say more than the HTTP status they come with, whichever it is."""

_IMAGES = """
invalid_image invalid_image_format invalid_base64_image invalid_image_url invalid_image_mode image_too_large
image_too_small image_parse_error image_file_too_large image_file_not_found unsupported_image_media_type
empty_image_file failed_to_download_image
"""

WORDS: Mapping[str, ErrorCode] = {
    **_table(
        (
            "authentication",
            (
                "authentication_error",
                "invalid_api_key",
                "invalid_authentication_error",  # Kimi
                "incorrect_api_key_error",
                "UNAUTHENTICATED",
                "Unauthorized",
                "UnrecognizedClientException",
                "ExpiredTokenException",
            ),
        ),
        (
            "permission",
            (
                "billing_error",
                "permission_error",
                "PERMISSION_DENIED",
                "AccessDenied",
                "AccessDeniedException",  # Bedrock
                "insufficient_balance",
            ),
        ),
        (
            "not_found",
            ("model_not_found", "not_found_error", "NOT_FOUND", "ModelNotFound", "ResourceNotFoundException"),
        ),
        (
            "bad_request",
            (
                "invalid_prompt",
                "invalid_request_error",
                "BadRequestError",
                "request_too_large",
                "UnprocessableEntityError",
                "INVALID_ARGUMENT",
                "InvalidParameter",  # DashScope
                "OUT_OF_RANGE",
                "UNIMPLEMENTED",
                "UnsupportedParamsError",  # LiteLLM
                "ValidationException",  # Bedrock
                *_IMAGES.split(),
            ),
        ),
        ("content_filter", ("bio_policy", "misalignment_policy_violation", "image_content_policy_violation")),
        (
            "rate_limit",
            (
                "insufficient_quota",
                "exceeded_current_quota_error",  # Kimi
                "rate_limit_error",
                "rate_limit_exceeded",
                "rate_limit_reached_error",  # Kimi
                "too_many_requests",
                "RESOURCE_EXHAUSTED",
                "ThrottlingException",  # Bedrock
                "Throttling.RateQuota",  # DashScope; what it throttles is not known from `Throttling` alone
                "Throttling.BurstRate",
                "Throttling.AllocationQuota",
            ),
        ),
        (
            "overloaded",
            (
                "overloaded",
                "overloaded_error",
                "engine_overloaded_error",  # Kimi
                "capacity_exceeded",  # Groq
                "UNAVAILABLE",
                "service_unavailable",
                "ServiceUnavailableException",
                "ModelNotReadyException",  # Bedrock
            ),
        ),
        (
            "provider_timeout",
            ("vector_store_timeout", "timeout_error", "request_timeout", "DEADLINE_EXCEEDED", "ModelTimeoutException"),
        ),
    ),
    **NARROWER,
}
"""Error types and codes, for errors inside a stream, where no status says it, and under statuses that say nothing.

They are those of OpenAI, Anthropic and Google (google.rpc.Code), and of others where their line says so.
"""

USED_UP = frozenset(map(folded, ("insufficient_quota", "exceeded_current_quota_error", "billing_hard_limit_reached")))
"""Codes of a quota that no waiting fills again."""

MINIMAX: Mapping[str, ErrorCode] = {
    "1001": "provider_timeout",
    "1002": "rate_limit",
    "1004": "authentication",
    "1008": "permission",
    "1026": "content_filter",
    "1027": "content_filter",
    "1039": "context_length",
    "1041": "rate_limit",
    "2013": "bad_request",
    "2045": "rate_limit",
    "2049": "authentication",
    "2056": "rate_limit",
}
"""`base_resp.status_code` (MiniMax, "Error Codes"); any other is `provider_error`, and 0 is no error."""

CLOUDFLARE: Mapping[str, ErrorCode] = {
    "3006": "bad_request",
    "3007": "provider_timeout",
    "3008": "provider_timeout",
    "3036": "rate_limit",
    "3040": "overloaded",
    "3042": "not_found",
    "5004": "bad_request",
    "5007": "not_found",
    "5021": "context_length",
}
"""`errors[].code` (Cloudflare Workers AI, "Errors"); 5021 is not listed there, and comes with "exceeded this model
context window limit"."""
