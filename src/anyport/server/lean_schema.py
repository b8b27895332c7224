"""The JSON Schema that anyport makes of annotations; loaded with the first function that is registered."""

from __future__ import annotations

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema


class LeanSchema(GenerateJsonSchema):
    """JSON Schema without the titles that pydantic makes up, and with bytes as Base64 text."""

    def field_title_should_be_set(self, schema: object) -> bool:
        """Never derive a title from a field's name: it says nothing that the name does not."""
        return False

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        """Keep the order of declaration: a model reads a schema from top to bottom."""
        return value

    def bytes_schema(self, schema: core_schema.BytesSchema) -> JsonSchemaValue:
        """Describe bytes as Base64 (JSON Schema 2020-12, validation, 8.3).

        pydantic reads both alphabets of RFC 4648 and writes the second one.
        """
        if self._config.val_json_bytes != "base64":
            return super().bytes_schema(schema)
        return {"type": "string", "contentEncoding": "base64" if self.mode == "validation" else "base64url"}
