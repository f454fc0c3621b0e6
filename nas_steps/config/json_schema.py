"""Write the schema of configs as JSON Schema (draft 2020-12), for editors and other programs:
`python -m nas_steps.config.json_schema > workflow/schemas/config.schema.yaml`.

It accepts what a config's spelling may be: `kind` left out, a number as YAML 1.1 misreads it (`3e-4` is text there), a
word that stands for a section. What hangs on several keys at once is checked by the workflow alone.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from nas_steps.config.schema import Config
from nas_steps.config.text import TextData

HEAD = "# Written from the sections in nas_steps/config/ by `make docs`; a test holds the two together.\n"
#: a number that YAML 1.1 reads as text for lack of a dot or a sign
WRITTEN = r"^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$"
#: what may stand for a section or a list, by definition and key
SHORT: dict[tuple[str, str], Mapping[str, Any]] = {
    ("Config", "weights"): {"type": ["string", "null"]},
    ("Retrain", "budget"): {"const": "winner"},
    ("Space", "resolution"): {"type": "integer"},
    ("TextData", "files"): {"type": "string"},
}
#: the kind of a section that names none
DEFAULT_KIND = "short_training"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a whole config."""
    made = Config.model_json_schema()
    parts = {**made.pop("$defs"), "Config": made}
    for name, part in parts.items():
        for key, value in part.get("properties", {}).items():
            if (name, key) in SHORT:
                note = {"description": value.pop("description")} if "description" in value else {}
                part["properties"][key] = {**note, "anyOf": [SHORT[name, key], value]}
    parts["Config"]["properties"]["data"] = _data(parts["Config"]["properties"]["data"])
    whole = {name: _walked(part) for name, part in sorted(parts.items())}
    top = whole.pop("Config") | {"title": "An experiment of nas-steps"}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **top, "$defs": whole}


def page() -> str:
    """Return the text of workflow/schemas/config.schema.yaml."""
    return HEAD + yaml.safe_dump(schema(), sort_keys=False, allow_unicode=True, width=120)


def _walked(node: Any) -> Any:
    """Return a part of the schema with what the spelling of a config allows."""
    if isinstance(node, list):
        return [_walked(one) for one in node]
    if not isinstance(node, dict):
        return node
    # titles repeat the keys; defaults of sections repeat those of their keys
    dropped = {"title"} | ({"default"} if isinstance(node.get("default"), dict) else set())
    found = {key: _by_name(value) if key == "properties" else _walked(value) for key, value in node.items()}
    found = {key: value for key, value in found.items() if key not in dropped or not isinstance(value, str | dict)}
    if found.get("type") == "number" and "const" not in found:
        found |= {"type": ["number", "string"], "pattern": WRITTEN}
    elif found.get("type") == "string" and not {"const", "enum"} & found.keys():
        found["type"] = ["string", "integer"]
    mapping = found.pop("discriminator", {}).get("mapping")
    if mapping:
        found.pop("oneOf")
        found["allOf"] = _by_kind(mapping)
    if "patternProperties" in found:
        ((pattern, value),) = found.pop("patternProperties").items()
        found["propertyNames"] = {"pattern": pattern}
        found["additionalProperties"] = value
        if mapping := _mapping(node):
            found["properties"] = {kind: {"$ref": place} for kind, place in mapping.items()}
    return found


def _by_name(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _walked(value) for name, value in properties.items()}


def _mapping(node: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the definitions by kind of a section whose keys are names; none if it has no kinds."""
    ((_, value),) = node["patternProperties"].items()
    found: Mapping[str, str] = value.get("discriminator", {}).get("mapping", {})
    return found


def _by_kind(mapping: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return one condition for each kind, so that an error is that of the kind which is meant."""
    chosen = [
        {"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": {"$ref": place}}
        for kind, place in mapping.items()
    ]
    known: dict[str, Any] = {"properties": {"kind": {"enum": list(mapping)}}}
    if DEFAULT_KIND in mapping:
        unnamed: dict[str, Any] = {"if": {"not": {"required": ["kind"]}}, "then": {"$ref": mapping[DEFAULT_KIND]}}
        return [{"type": "object", **known}, unnamed, *chosen]
    return [{"type": "object", **known, "required": ["kind"]}, *chosen]


def _data(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of the data: text by its sources, else images."""
    sources = TextData.model_json_schema()["properties"]["source"]["enum"]
    text = {"properties": {"source": {"enum": sources}}, "required": ["source"]}
    return {
        "description": node["description"],
        "if": text,
        "then": {"$ref": "#/$defs/TextData"},
        "else": {"$ref": "#/$defs/Data"},
    }


def main(write: Callable[[str], object] = sys.stdout.write) -> None:
    write(page())


if __name__ == "__main__":
    main()
