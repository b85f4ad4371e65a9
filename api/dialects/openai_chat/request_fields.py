"""What becomes of each field of a request (API reference: "Create chat completion"). Each is in one table."""

from shared.request.generation_request import GenerationRequest

MAPPED = {"max_completion_tokens": "max_tokens"}
"""Fields that a request of ours has under another name. Those that it has under the same are taken as they are."""

READ = frozenset({"stream", "stream_options", "n", "modalities"})
"""What says how it is answered, and is looked at here."""

SAME = frozenset(GenerationRequest.model_fields) - READ
"""Fields of ours, also those that Chat does not have."""

REFUSED = {
    "audio": "cannot be honoured: an answer is text; leave it out",
    "functions": "is an older form that is not spoken here; give tools instead",
    "function_call": "is an older form that is not spoken here; give tool_choice instead",
}
"""What no provider is asked for, with the remedy."""

REFUSED_ELSEWHERE = {
    "web_search_options": "needs a provider that speaks Chat Completions; leave it out",
    "moderation": "needs a provider that speaks Chat Completions; leave it out",
}
"""What changes the answer and only a provider of this protocol knows."""

IGNORED = {
    "store": "Midstream keeps every answer for its ttl; a provider of another protocol has no such store",
    "prediction": "it makes an answer faster and not another one",
    "prompt_cache_options": "it changes what an answer costs and not the answer",
    "prompt_cache_retention": "it changes what an answer costs and not the answer",
}
"""What cannot change the answer of a provider of another protocol, with the reason."""

IGNORED_WITHIN = {
    "stream_options.include_obfuscation": "events are not padded, as viewers are told apart by nobody",
    "messages.content.prompt_cache_breakpoint": "it changes what an answer costs and not the answer",
}
"""What is ignored whatever the provider, within fields that are not."""

NEUTRAL = {"frequency_penalty": 0, "presence_penalty": 0, "logit_bias": {}, "logprobs": False, "top_logprobs": 0}
"""Values that ask for nothing, as clients send them: other protocols have no such field."""

NEAREST = {("reasoning_effort", "max"): "xhigh"}
"""Values that a request of ours does not have, and the nearest that it has; a provider of this protocol gets them."""
