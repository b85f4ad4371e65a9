"""Which addresses are OpenAI's own, there or at Azure."""

from urllib.parse import urlsplit

_AZURE_HOSTS = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")


def is_openai(address: str) -> bool:
    """Says whether OpenAI itself is asked, there or at Azure, where a resource has hosts of several names.

    Azure's `/models` is its inference API for models of all makers, which has the older names of fields (Microsoft
    Learn: "Azure AI Model Inference REST API", "Endpoints for Azure AI Foundry Models").
    """
    url = urlsplit(address)
    host = url.hostname or ""
    if host.endswith(_AZURE_HOSTS):
        return not url.path.startswith("/models")
    return host == "api.openai.com" or host.endswith(".api.openai.com")
