"""Finds the JSON Schema of one place in a document, and describes it in plain words."""

from typing import Any

from app.core.json_data import LARGEST_INTEGER

Schema = dict[str, Any]


def inlined(schema: Schema, root: Schema) -> Schema:
    """A schema with each reference (`#/…`, into `root`) replaced by what it refers to.

    Where a definition refers to itself, the reference is replaced by `{}`, which allows any value.
    """
    result: Schema = _inlined(schema, root, ())
    return result


def alternatives(schema: Schema) -> list[Schema]:
    """The alternatives of a union, without null; of any other schema, the schema itself."""
    for union in ("anyOf", "oneOf"):
        # In a schema with a type, they only add conditions.
        if union in schema and "type" not in schema:
            return [
                inner
                for one in schema[union]
                if one.get("type") != "null"
                for inner in alternatives(one)
            ]
    return [schema]


def member(schema: Schema, name: str | int) -> Schema | None:
    """The schema of an object's member, or of a list's item; None if there is none."""
    if isinstance(name, int):
        found = schema.get("items")
    else:
        found = schema.get("properties", {}).get(name)
        if found is None:
            patterns = list(schema.get("patternProperties", {}).values())
            found = patterns[0] if patterns else schema.get("additionalProperties")
    return found if isinstance(found, dict) else None


def in_words(schema: Schema) -> str:
    """The values that a schema allows, such as `a whole number from 1 to 1000`, after "must be"."""
    found = dict.fromkeys(_one_in_words(one) for one in alternatives(schema))
    # `a list` includes `a list of 1 to 5 entries`.
    return " or ".join(
        one for one in found if not any(one.startswith(f"{other} ") for other in found)
    )


def _one_in_words(schema: Schema) -> str:
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if schema.get("format") == "date-time":
        return "a time with its zone, such as 2026-01-31T23:59:59Z (RFC 3339)"
    match schema.get("type"):
        case "integer":
            return f"a whole number{_range(schema)}"
        case "number":
            return f"a number{_range(schema)}"
        case "boolean":
            return "true or false"
        case "string":
            size = _size(schema, "Length", "character", "characters")
            return f"text{size}{_such_as(schema)}"
        case "array":
            return f"a list{_size(schema, 'Items', 'entry', 'entries')}"
        case "object":
            return f"a JSON object{_size(schema, 'Properties', 'member', 'members')}"
    return "another value"


def _such_as(schema: Schema) -> str:
    example = next(iter(schema.get("examples", ())), "")
    return f', such as "{example}"' if example.isprintable() and 0 < len(example) <= 80 else ""


def _range(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" from {_digits(low)} to {_digits(high)}"
    bounds = [
        f"{word} {_digits(schema[keyword])}"
        for keyword, word in (
            ("minimum", "of at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "of at most"),
            ("exclusiveMaximum", "below"),
        )
        if keyword in schema
    ]
    return f" {' and '.join(bounds)}" if bounds else ""


def _size(schema: Schema, of: str, one: str, many: str) -> str:
    low, high = schema.get(f"min{of}"), schema.get(f"max{of}")
    if high is None:
        return f" of at least {low} {one if low == 1 else many}" if low else ""
    unit = one if high == 1 else many
    return f" of {low} to {high} {unit}" if low else f" of at most {high} {unit}"


def _digits(number: float) -> str:
    # FastAPI writes the bounds of whole numbers as 1000.0; one such as 1e300 would have 301 digits.
    is_whole = number == int(number) and abs(number) <= LARGEST_INTEGER
    return str(int(number) if is_whole else number)


def _inlined(schema: Any, root: Schema, within: tuple[str, ...]) -> Any:
    if isinstance(schema, list):
        return [_inlined(item, root, within) for item in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return {name: _inlined(item, root, within) for name, item in schema.items()}
    if reference in within:
        return {}
    found: Any = root
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return _inlined(found, root, (*within, reference))
