"""The calls of EMR that list releases and instance types, with a selection of those on AWS."""

from __future__ import annotations

from typing import Any

from local.extensions.patching.patches import add_entry
from local.extensions.patching.responses import Response, error_response, success_response

_EMR = "ministack.services.emr"
# "Spark release history" in the EMR Release Guide.
_SPARK_VERSIONS = {
    "emr-spark-8.0.0": "4.0.2-amzn-0",
    "emr-7.13.0": "3.5.6-amzn-2",
    "emr-7.12.0": "3.5.6-amzn-1",
    "emr-7.10.0": "3.5.5-amzn-1",
    "emr-7.9.0": "3.5.5-amzn-0",
    "emr-7.8.0": "3.5.4-amzn-0",
}
_GIB_PER_VCPU = {"m7g": 4, "m6g": 4, "m5": 4, "c7g": 2, "r7g": 8}
_VCPUS = {"xlarge": 4, "2xlarge": 8, "4xlarge": 16}

INSTANCE_TYPES = {
    f"{family}.{size}": (vcpus, vcpus * gib)
    for family, gib in _GIB_PER_VCPU.items()
    for size, vcpus in _VCPUS.items()
}
"""The vCPUs and the memory in GiB of each type that EMR supports."""


def install() -> None:
    """Add the calls to the API."""
    for action, handler in (
        ("ListReleaseLabels", _list_labels),
        ("DescribeReleaseLabel", _describe_label),
        ("ListSupportedInstanceTypes", _list_instance_types),
    ):
        add_entry(_EMR, "_HANDLERS", action, handler)


def _list_labels(request: dict[str, Any]) -> Response:
    prefix = request.get("Filters", {}).get("Prefix", "")
    return success_response(
        {"ReleaseLabels": [label for label in _SPARK_VERSIONS if label.startswith(prefix)]}
    )


def _describe_label(request: dict[str, Any]) -> Response:
    label = request.get("ReleaseLabel")
    if label not in _SPARK_VERSIONS:
        return _unknown_label(label)
    applications = [{"Name": "Spark", "Version": _SPARK_VERSIONS[label]}]
    return success_response({"ReleaseLabel": label, "Applications": applications})


def _list_instance_types(request: dict[str, Any]) -> Response:
    label = request.get("ReleaseLabel")
    if label not in _SPARK_VERSIONS:
        return _unknown_label(label)
    types = [
        {"Type": name, "VCPU": vcpus, "MemoryGB": memory}
        for name, (vcpus, memory) in INSTANCE_TYPES.items()
    ]
    return success_response({"SupportedInstanceTypes": types})


def _unknown_label(label: str | None) -> Response:
    return error_response("InvalidRequestException", f"Release label {label} is invalid.")
