"""The vCPU quotas of EC2, with the documented defaults of a new account.

An increase that is requested is granted at once.
"""

from __future__ import annotations

import json
from typing import Any

from local.extensions.patching.responses import Response, error_response, success_response
from local.extensions.patching.services import add_service

_TARGET_PREFIX = "ServiceQuotasV20190624."
_EC2 = "ec2"
# "Amazon EC2 service quotas" in the EC2 User Guide.
_QUOTA_NAMES = {
    "L-1216C47A": "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
    "L-34B43A08": "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests",
}
_DEFAULT_VCPUS = 5.0

_values: dict[str, float] = {}


def install() -> None:
    """Add the service."""
    _values.update(dict.fromkeys(_QUOTA_NAMES, _DEFAULT_VCPUS))
    add_service("servicequotas", "service-quotas", _handle_request)


async def _handle_request(
    _: str, __: str, headers: dict[str, str], body: bytes, ___: dict[str, Any]
) -> Response:
    action = headers.get("x-amz-target", "").removeprefix(_TARGET_PREFIX)
    request = json.loads(body or b"{}")
    code = request.get("QuotaCode", "")
    if action not in _ACTIONS:
        return error_response("UnknownOperationException", f"The action {action} is not supported.")
    if request.get("ServiceCode") != _EC2 or code not in _QUOTA_NAMES:
        return error_response(
            "NoSuchResourceException",
            "The request failed because the specified service or quota does not exist.",
        )
    return _ACTIONS[action](code, request)


def _get_quota(code: str, _: dict[str, Any]) -> Response:
    return success_response({"Quota": _describe(code, _values[code])})


def _get_default_quota(code: str, _: dict[str, Any]) -> Response:
    return success_response({"Quota": _describe(code, _DEFAULT_VCPUS)})


def _request_increase(code: str, request: dict[str, Any]) -> Response:
    desired = float(request["DesiredValue"])
    if desired <= _values[code]:
        return error_response(
            "InvalidParameterException", "The desired value is not greater than the current one."
        )
    _values[code] = desired
    increase = {"Id": code, "ServiceCode": _EC2, "QuotaCode": code, "DesiredValue": desired}
    return success_response({"RequestedQuota": {**increase, "Status": "APPROVED"}})


def _describe(code: str, value: float) -> dict[str, Any]:
    return {
        "ServiceCode": _EC2,
        "QuotaCode": code,
        "QuotaName": _QUOTA_NAMES[code],
        "Value": value,
        "Adjustable": True,
    }


_ACTIONS = {
    "GetServiceQuota": _get_quota,
    "GetAWSDefaultServiceQuota": _get_default_quota,
    "RequestServiceQuotaIncrease": _request_increase,
}
