"""What a single batch, and batches all day, demand of each limit."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cli.scale import assumptions, limits
from cli.scale.cluster_size import GIB
from cli.scale.daily_load import FILES, SWEEP_SECONDS, TABLES, DailyLoad
from cli.scale.ledger_items import list_item_loads
from cli.scale.limits import Limit
from cli.scale.run_estimate import CRAWLS_TO_WAIT_FOR, Parameters, RunEstimate
from pipeline.publication.questions import QUESTIONS

JOBS = 2
# The states of a run without an error, and those of each check of the crawler.
STATES_OF_A_RUN = (
    "InitializeVariables",
    "RecordStarted",
    "TakeSlot",
    "PinInputs",
    "PlanCluster",
    "CreateCluster",
    "RunJobs",
    "RunTransformation",
    "RunKpis",
    "TerminateCluster",
    "CheckRun",
    "StartCrawler",
    "PublishResults",
    "RecordPublished",
)
STATES_OF_A_CHECK = ("GetCrawler", "CheckCrawl", "CheckCrawlerState", "WaitForCrawl")
CHECK_SECONDS = 30
# How often Step Functions polls a step: every minute at first, then every five minutes (Step
# Functions Developer Guide, "Create and manage Amazon EMR clusters with Step Functions").
_FAST_POLL_SECONDS, _SLOW_POLL_SECONDS, _FAST_POLLING_SECONDS = 60, 300, 600
# Seconds of functions for each batch: four uploads, CheckRun, PublishResults, and the watchdog at
# the end of the run. PinInputs comes in addition.
_FUNCTION_SECONDS = 4 * 1.0 + 2.0 + assumptions.PUBLICATION_SECONDS.value + 3.0
_QUERY_SECONDS = 2.0
# Pinned files, tables, reports, logs, and query results.
_OBJECTS_OF_A_RUN = 100
_BYTES_OF_A_GET = 8 * 2**20
_BYTES_OF_AN_AMOUNT = 8
_CLUSTERS_OF_A_PAGE = 50


@dataclass(frozen=True)
class Demand:
    """What is demanded of a limit.

    Attributes:
        limit: The limit.
        value: The demand, in the unit of the limit.
    """

    limit: Limit
    value: float

    @property
    def share(self) -> float:
        """The demand as a share of the limit. Above 1, the limit is met."""
        return self.value / self.limit.value


def list_batch_demands(run: RunEstimate, parameters: Parameters) -> list[Demand]:
    """Return what a single run demands, the largest share first."""
    reads = JOBS * run.input_bytes / _BYTES_OF_A_GET / run.job_seconds
    demands = [
        Demand(limits.PIN_TIMEOUT, run.pin_seconds),
        Demand(limits.STEP_TIMEOUT, run.step_seconds),
        Demand(limits.RUN_TIMEOUT, run.run_seconds),
        Demand(limits.DISK_SIZE, run.size.disk_gib),
        Demand(limits.OBJECT_SIZE, run.input_bytes / GIB),
        Demand(limits.SCANNED_BYTES, run.rentals * _BYTES_OF_AN_AMOUNT / GIB),
        Demand(limits.PREFIX_READS, reads),
        Demand(limits.ON_DEMAND_VCPUS, count_on_demand_vcpus(run, parameters)),
    ]
    return sorted(demands, key=lambda demand: -demand.share)


def count_on_demand_vcpus(run: RunEstimate, parameters: Parameters) -> int:
    """Return the number of On-Demand vCPUs of a cluster, if there is Spot capacity."""
    return run.size.count_on_demand_vcpus(parameters.vcpus, parameters.vcpus)


def list_daily_demands(load: DailyLoad) -> list[Demand]:
    """Return what the batches of a day demand, the largest share first."""
    demands = [*_list_emr_demands(load), *_list_other_demands(load), *_list_item_demands(load)]
    return sorted(demands, key=lambda demand: -demand.share)


def count_step_polls(step_seconds: float) -> int:
    """Return how often Step Functions polls a step until it has ended."""
    fast = math.ceil(min(step_seconds, _FAST_POLLING_SECONDS) / _FAST_POLL_SECONDS)
    slow = math.ceil(max(0.0, step_seconds - _FAST_POLLING_SECONDS) / _SLOW_POLL_SECONDS)
    return fast + slow


def _list_emr_demands(load: DailyLoad) -> list[Demand]:
    rate, clusters = load.rate, load.active_clusters
    end_polls = math.ceil(assumptions.CLUSTER_END_SECONDS.value / _FAST_POLL_SECONDS)
    calls = {
        limits.RUN_JOB_FLOW: rate,
        limits.ADD_STEPS: JOBS * rate,
        limits.DESCRIBE_STEP: JOBS * rate * count_step_polls(load.run.step_seconds),
        limits.TERMINATE_CLUSTERS: rate,
        # The polls of the end of a cluster, and each active cluster in each sweep.
        limits.DESCRIBE_CLUSTER: rate * end_polls + clusters / SWEEP_SECONDS,
        limits.LIST_CLUSTERS: math.ceil(clusters / _CLUSTERS_OF_A_PAGE) / SWEEP_SECONDS,
    }
    vcpus = count_on_demand_vcpus(load.run, load.parameters)
    return [
        *(Demand(limit, value) for limit, value in calls.items()),
        Demand(limits.ALL_EMR_CALLS, sum(calls.values())),
        Demand(limits.ACTIVE_CLUSTERS, clusters),
        Demand(limits.ON_DEMAND_VCPUS, clusters * vcpus),
        Demand(limits.WATCHDOG_TIMEOUT, clusters / limits.DESCRIBE_CLUSTER.value),
    ]


def count_transitions() -> float:
    """Return the number of state transitions of a run."""
    checks = CRAWLS_TO_WAIT_FOR * assumptions.CRAWL_SECONDS.value / CHECK_SECONDS
    return len(STATES_OF_A_RUN) + checks * len(STATES_OF_A_CHECK)


def count_queries() -> int:
    """Return the number of queries of a run: views, row counts, and questions."""
    return TABLES + 1 + len(QUESTIONS)


def _list_other_demands(load: DailyLoad) -> list[Demand]:
    rate = load.rate
    # After a crawl, all runs that waited for it find its end within one interval of their checks.
    publishing_rate = load.runs_per_crawl / CHECK_SECONDS
    return [
        Demand(limits.START_EXECUTION, rate),
        Demand(limits.STATE_TRANSITIONS, rate * count_transitions()),
        Demand(limits.OPEN_EXECUTIONS, load.slots.busy_slots),
        Demand(limits.DESCRIBE_EXECUTION, rate + load.slots.busy_slots / SWEEP_SECONDS),
        Demand(limits.LAMBDA_CONCURRENCY, rate * (_FUNCTION_SECONDS + load.run.pin_seconds)),
        Demand(limits.EVENT_INVOCATIONS, rate * (FILES + 1)),
        Demand(limits.EMAILS, publishing_rate),
        Demand(limits.START_QUERY, publishing_rate * count_queries()),
        Demand(limits.ACTIVE_DDL_QUERIES, publishing_rate * TABLES * _QUERY_SECONDS),
        Demand(limits.ACTIVE_DML_QUERIES, publishing_rate * (1 + len(QUESTIONS)) * _QUERY_SECONDS),
        Demand(limits.PREFIX_WRITES, rate * _OBJECTS_OF_A_RUN),
    ]


def _list_item_demands(load: DailyLoad) -> list[Demand]:
    items = list_item_loads(load)
    return [
        Demand(limits.PARTITION_WRITES, max(item.write_units for item in items)),
        Demand(limits.PARTITION_READS, max(item.read_units for item in items)),
        Demand(limits.ITEM_SIZE, items[0].kilobytes),
    ]
