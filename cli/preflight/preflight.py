"""Make all checks of a planned deployment, in an order in which each can use what is known."""

from __future__ import annotations

from collections.abc import Iterator

from cli.check_results import CheckResult
from cli.preflight.checks import (
    catalog,
    emr_release,
    functions,
    instance_types,
    quotas,
    routes,
    service_roles,
    subnet,
)
from cli.preflight.guard import run_check
from cli.preflight.plan import Plan, check_parameters
from cli.target.account import Account


def check_deployment(account: Account, plan: Plan) -> Iterator[CheckResult]:
    """Yield the result of each check.

    Args:
        account: The account to deploy to.
        plan: The planned deployment.

    Raises:
        UserError: The credentials are not valid.
    """
    yield from check_parameters(plan)
    yield from run_check(emr_release.SUBJECT, lambda: emr_release.check_release(account, plan))
    network = _Network()
    yield from run_check(subnet.SUBJECT, lambda: network.check(account, plan))
    if network.subnet:
        found = network.subnet
        yield from run_check(subnet.DNS_SUBJECT, lambda: subnet.check_dns(account, found))
        yield from run_check(routes.SUBJECT, lambda: routes.check_routes(account, found))
        yield from run_check(
            subnet.GROUPS_SUBJECT, lambda: subnet.check_security_groups(account, found)
        )
    yield from _check_capacity(account, plan, network.subnet.zone if network.subnet else "")
    yield from run_check(catalog.DATABASE_SUBJECT, lambda: catalog.check_database(account, plan))
    yield from run_check(
        catalog.LAKE_FORMATION_SUBJECT, lambda: catalog.check_lake_formation(account)
    )
    yield from run_check(
        service_roles.SUBJECT, lambda: service_roles.check_service_roles(account, plan)
    )
    yield from run_check(
        functions.CONCURRENCY_SUBJECT, lambda: functions.check_concurrency(account, plan)
    )
    yield from functions.check_python(plan)


class _Network:
    """The subnet of the plan, once its check has found it."""

    def __init__(self) -> None:
        self.subnet: subnet.Subnet | None = None

    def check(self, account: Account, plan: Plan) -> Iterator[CheckResult]:
        self.subnet = subnet.find_subnet(account, plan.subnet)
        yield from subnet.check_subnet(account, plan, self.subnet)


def _check_capacity(account: Account, plan: Plan, zone: str) -> Iterator[CheckResult]:
    """Check the instance types, and the quotas, which depend on them."""
    supported: dict[str, instance_types.InstanceType] = {}

    def check_types() -> Iterator[CheckResult]:
        supported.update(instance_types.list_instance_types(account, plan))
        yield from instance_types.check_instance_types(account, plan, supported, zone)

    yield from run_check(instance_types.SUBJECT, check_types)
    yield from run_check(
        quotas.ON_DEMAND_SUBJECT, lambda: quotas.check_quotas(account, plan, supported)
    )
