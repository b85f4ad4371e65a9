"""What routes that let browsers in take, as OpenAPI describes it."""

from __future__ import annotations

from api.schemas.access import ttl_body


def test_a_body_may_be_left_out_and_has_one_field() -> None:
    body = ttl_body("Defaults to an hour.", 60)["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert body["required"] is False
    assert (list(schema["properties"]), schema["additionalProperties"]) == (["ttl"], False)
    assert schema["properties"]["ttl"]["maximum"] == 60
    assert "Defaults to an hour." in schema["properties"]["ttl"]["description"]
