"""Paths of OpenAPI 3 as OpenAPI 2 writes them."""

from __future__ import annotations

from typing import Any

Tree = dict[str, Any]


def path_item(item: Tree) -> Tree:
    """One path."""
    return {
        name: [_parameter(one) for one in value] if name == "parameters" else _operation(value)
        for name, value in item.items()
    }


def _operation(operation: Tree) -> Tree:
    old = {name: value for name, value in operation.items() if name.startswith("x-")}
    parameters = [_parameter(one) for one in operation.get("parameters", ())]
    old["schemes"] = ["https"]
    if body := operation.get("requestBody"):
        old["consumes"] = list(body["content"])
        schema = next(iter(body["content"].values()))["schema"]
        is_required = body.get("required", False)
        parameters.append({"name": "body", "in": "body", "required": is_required, "schema": _schema(schema)})
    if parameters:
        old["parameters"] = parameters
    old["produces"] = ["application/json"]
    old["responses"] = {code: _response(response) for code, response in operation["responses"].items()}
    return old


def _parameter(parameter: Tree) -> Tree:
    schema: Tree = parameter["schema"]
    return {name: value for name, value in parameter.items() if name != "schema"} | schema


def _response(response: Tree) -> Tree:
    content = next(iter(response["content"].values()))
    described = {"description": response["description"]}
    return described | ({"schema": _schema(content["schema"])} if "schema" in content else {})


def _schema(schema: Tree) -> Tree:
    reference = schema.get("$ref")
    return (
        schema
        if reference is None
        else {"$ref": reference.replace("#/components/schemas/", "#/definitions/")}
    )
