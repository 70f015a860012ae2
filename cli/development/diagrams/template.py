"""`template.yaml` as a diagram of what triggers what, and as tables of its other parts."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from cli.development.diagrams.mermaid import Edge, Group, Node, flowchart
from cli.development.diagrams.tables import code, table

TEMPLATE = Path(__file__).resolve().parents[3] / "template.yaml"

# Resources to draw: type, its name in the diagram, and its shape. All other types (roles, policies,
# log groups, alarms, saved queries) are left out to keep the diagram readable.
_KINDS = {
    "AWS::S3::Bucket": ("S3 bucket", "cylinder"),
    "AWS::Events::Rule": ("EventBridge rule", "hexagon"),
    "Custom::SparkScripts": ("custom resource", "hexagon"),
    "AWS::Serverless::Function": ("Lambda function", "box"),
    "AWS::Serverless::StateMachine": ("Step Functions", "double box"),
    "AWS::Glue::Crawler": ("Glue crawler", "box"),
    "AWS::Glue::Database": ("Glue database", "cylinder"),
    "AWS::Athena::WorkGroup": ("Athena workgroup", "box"),
    "AWS::SNS::Topic": ("SNS topic", "pill"),
    "AWS::SQS::Queue": ("SQS dead-letter queue", "cylinder"),
}
_CLUSTER = "EMR cluster"

# Actions in the roles that make one resource act on another, and the labels of these arrows.
_ACTIONS = {
    "states:StartExecution": "starts",
    "sns:Publish": "publishes to",
    "athena:StartQueryExecution": "queries",
    "elasticmapreduce:TerminateJobFlows": "terminates",
}
_READ = {"s3:GetObject", "dynamodb:GetItem", "dynamodb:Scan"}
_WRITTEN = {"s3:PutObject", "dynamodb:PutItem", "dynamodb:UpdateItem"}


class Template:
    """The template as data, with `!Ref x` as `{"Ref": "x"}` and so on."""

    def __init__(self, path: Path = TEMPLATE) -> None:
        # SAM knows the short forms of CloudFormation. Its package has no types, and it is installed
        # only for the commands that need it.
        parse = importlib.import_module("samcli.yamlhelper").yaml_parse
        self._folder = path.parent
        content: Mapping[str, Any] = parse(path.read_text(encoding="utf-8"))
        self.parameters: Mapping[str, Mapping[str, Any]] = content["Parameters"]
        self.resources: Mapping[str, Mapping[str, Any]] = content["Resources"]
        self.outputs: Mapping[str, Mapping[str, Any]] = content["Outputs"]

    def of_type(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the logical IDs and properties of the resources of a type."""
        for name, resource in self.resources.items():
            if resource["Type"] == kind:
                yield name, resource.get("Properties", {})

    def references(self, value: Any) -> set[str]:
        """Return the logical IDs of the resources that a value mentions."""
        return {name for name in _references(value) if name in self.resources}

    @cached_property
    def statements(self) -> Mapping[str, list[Mapping[str, Any]]]:
        """The statements in each role, by the logical ID of the resource that has the role."""
        users = {
            role: name
            for name, resource in self.resources.items()
            for key in ("Role", "Roles")
            for role in self.references(resource.get("Properties", {}).get(key))
        }
        return {
            user: [
                statement
                for policy in self.resources[role]["Properties"].get("Policies", [])
                for statement in policy["PolicyDocument"]["Statement"]
            ]
            for role, user in users.items()
        }

    def tasks(self, properties: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield the action and the target's logical ID for each task of a state machine."""
        path = self._folder / properties["DefinitionUri"]
        substitutions = properties["DefinitionSubstitutions"]
        for state in _states(json.loads(path.read_text(encoding="utf-8"))):
            if state["Type"] != "Task":
                continue
            *_, service, action = state["Resource"].split(":")
            if service == "elasticmapreduce":
                yield action.partition(".")[0], _CLUSTER
                continue
            name = state["Arguments"].get("FunctionName") or state["Arguments"].get("Name", "")
            for placeholder in re.findall(r"\$\{(\w+)\}", name):
                for target in self.references(substitutions[placeholder]):
                    yield action, target


def triggers_diagram() -> str:
    """Return the flowchart of the resources and of what triggers what."""
    template = Template()
    nodes = [Node(_CLUSTER, [_CLUSTER], "double box")]
    for name, resource in template.resources.items():
        if resource["Type"] in _KINDS:
            kind, shape = _KINDS[resource["Type"]]
            details = _details(resource.get("Properties", {}))
            nodes.append(Node(name, [name, kind, *details], shape))
    drawn = {node.key for node in nodes}
    edges = dict.fromkeys(_edges(template))
    return flowchart(
        "TB",
        Group("", "", nodes),
        [edge for edge in edges if edge.source in drawn and edge.target in drawn],
    )


def data_access_table() -> str:
    """Return a table of the prefixes and tables that each role may read and write."""
    template = Template()
    rows = []
    for name, statements in template.statements.items():
        reads = sorted(set(_places(template, statements, _READ)))
        writes = sorted(set(_places(template, statements, _WRITTEN)))
        if reads or writes:
            rows.append((f"`{name}`", code(reads), code(writes)))
    return table(("resource", "reads", "writes"), rows)


def parameters_table() -> str:
    """Return a table of the parameters with their defaults and descriptions."""
    rows = [
        (
            f"`{name}`",
            f"`{parameter['Default']}`" if "Default" in parameter else "required",
            parameter["Description"].strip(),
        )
        for name, parameter in Template().parameters.items()
    ]
    return table(("parameter", "default", "description"), rows)


def outputs_table() -> str:
    """Return a table of the outputs with their descriptions."""
    outputs = Template().outputs.items()
    rows = [(f"`{name}`", output["Description"].strip()) for name, output in outputs]
    return table(("output", "description"), rows)


def _details(properties: Mapping[str, Any]) -> list[str]:
    """Return further lines for the label of a resource."""
    if "ScheduleExpression" in properties:
        return [properties["ScheduleExpression"]]
    if "Handler" in properties:
        return [properties["Handler"].removesuffix(".handler")]
    subscriptions = properties.get("Subscription", [])
    # All but the first one depend on a condition.
    return sorted({each.get("Fn::If", [None, each])[1]["Protocol"] for each in subscriptions})


def _edges(template: Template) -> Iterator[Edge]:
    for rule, properties in template.of_type("AWS::Events::Rule"):
        yield from _rule_edges(template, rule, properties)
    for resource, properties in template.of_type("Custom::SparkScripts"):
        for function in template.references(properties["ServiceToken"]):
            yield Edge(resource, function, "on deployment")
    yield from _state_machine_edges(template)
    for crawler, properties in template.of_type("AWS::Glue::Crawler"):
        for database in template.references(properties["DatabaseName"]):
            yield Edge(crawler, database, "adds partitions")
    for function, properties in template.of_type("AWS::Serverless::Function"):
        yield from _permission_edges(template, function)
        for queue in template.references(properties.get("EventInvokeConfig")):
            yield Edge(function, queue, is_dashed=True)


def _rule_edges(template: Template, rule: str, properties: Mapping[str, Any]) -> Iterator[Edge]:
    pattern = properties.get("EventPattern", {})
    for source in sorted(template.references(pattern)):
        yield Edge(source, rule, "\n".join(_event(pattern)))
    for target in properties["Targets"]:
        for function in template.references(target["Arn"]):
            yield Edge(rule, function)
        for queue in template.references(target.get("DeadLetterConfig")):
            yield Edge(rule, queue, is_dashed=True)


def _event(pattern: Mapping[str, Any]) -> Iterator[str]:
    """Yield a short description of the events that a rule matches."""
    detail = pattern["detail"]
    yield ", ".join(detail.get("status", pattern["detail-type"]))
    for condition in detail.get("object", {}).get("key", []):
        yield " ".join(f"{operator} {value}" for operator, value in condition.items())


def _state_machine_edges(template: Template) -> Iterator[Edge]:
    """Yield one arrow for each resource that a state machine acts on."""
    for machine, properties in template.of_type("AWS::Serverless::StateMachine"):
        actions: dict[str, list[str]] = {}
        for action, target in template.tasks(properties):
            actions.setdefault(target, []).append(action)
        for target, names in actions.items():
            yield Edge(machine, target, "\n".join(dict.fromkeys(names)))


def _permission_edges(template: Template, function: str) -> Iterator[Edge]:
    """Yield the arrows that follow from the actions that the role of a function allows."""
    for statement in template.statements[function]:
        for action in _as_list(statement["Action"]):
            if action in _ACTIONS:
                for target in _targets(template, action, statement["Resource"]):
                    yield Edge(function, target, _ACTIONS[action])


def _targets(template: Template, action: str, resource: Any) -> Iterable[str]:
    """Return the resources that a statement allows an action on."""
    if action.startswith("elasticmapreduce:"):
        return [_CLUSTER]
    if action.startswith("states:"):
        # A role names the state machine by its name, because a reference would be circular.
        return [
            name
            for name, properties in template.of_type("AWS::Serverless::StateMachine")
            if resource["Fn::Sub"].endswith(":" + properties["Name"]["Fn::Sub"])
        ]
    return sorted(template.references(resource))


def _places(
    template: Template, statements: Iterable[Mapping[str, Any]], actions: set[str]
) -> Iterator[str]:
    """Yield the prefixes in the bucket and the tables that statements with an action name."""
    for statement in statements:
        if not actions & set(_as_list(statement["Action"])):
            continue
        for resource in _as_list(statement["Resource"]):
            text = resource.get("Fn::Sub", "") if isinstance(resource, Mapping) else ""
            prefix = re.fullmatch(r"\$\{\w+\.Arn\}/([\w/-]+?)/?\*", text)
            if prefix:
                yield f"{prefix[1]}/"
            else:
                yield from template.references(resource)


def _states(definition: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for state in definition["States"].values():
        yield state
        for branch in state.get("Branches", []):
            yield from _states(branch)


def _references(value: Any) -> Iterator[str]:
    """Yield the names in `Ref`, `Fn::GetAtt`, and `Fn::Sub`, at any depth."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "Ref":
                yield inner
            elif key == "Fn::GetAtt":
                yield _as_list(inner)[0].partition(".")[0]
            elif key == "Fn::Sub":
                yield from re.findall(r"\$\{(\w+)", " ".join(_as_list(inner)[:1]))
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
