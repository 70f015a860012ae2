"""Limits of AWS and of the design, each with its source.

The values are the defaults of a region such as us-east-1. Most can be increased: `aws
service-quotas request-service-quota-increase` takes the code. The pages of the AWS General
Reference could be read without their tables. Their values are from a public copy of the output of
`aws service-quotas list-aws-default-service-quotas` with the same names and codes.
"""

from __future__ import annotations

from dataclasses import dataclass

_REFERENCE = "https://docs.aws.amazon.com/general/latest/gr/"
_EMR = f"{_REFERENCE}emr.html"
_GLUE = f"{_REFERENCE}glue.html"
_ATHENA = "https://docs.aws.amazon.com/athena/latest/ug/service-limits.html"
_STEP_FUNCTIONS = "https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"
_DYNAMODB = (
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/"
    "warm-throughput-scenarios.html"
)
_S3 = "https://repost.aws/knowledge-center/s3-object-key-naming-pattern"


@dataclass(frozen=True)
class Limit:
    """A limit.

    Attributes:
        name: What is limited.
        value: The limit.
        unit: Its unit.
        source: The code of the quota, the page, or the file that sets it.
        is_ours: Whether the limit is one of this project, and not of AWS.
    """

    name: str
    value: float
    unit: str
    source: str
    is_ours: bool = False


def _link(text: str, page: str) -> str:
    return f"[{text}]({page})"


ON_DEMAND_VCPUS = Limit(
    "EC2 On-Demand vCPUs, new account",
    5,
    "vCPUs",
    _link(
        "L-1216C47A",
        "https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html",
    ),
)
ACTIVE_CLUSTERS = Limit("EMR active clusters", 500, "clusters", _link("L-1EE7982C", _EMR))
RUN_JOB_FLOW = Limit("EMR RunJobFlow", 0.5, "/s", _link("L-62231AC0", _EMR))
ADD_STEPS = Limit("EMR AddJobFlowSteps", 0.5, "/s", _link("L-40A3F1BE", _EMR))
DESCRIBE_STEP = Limit("EMR DescribeStep", 0.5, "/s", _link("L-72BCD5B1", _EMR))
DESCRIBE_CLUSTER = Limit("EMR DescribeCluster", 1.0, "/s", _link("L-D74118B4", _EMR))
TERMINATE_CLUSTERS = Limit("EMR TerminateJobFlows", 0.5, "/s", _link("L-4D731391", _EMR))
LIST_CLUSTERS = Limit("EMR ListClusters", 0.5, "/s", _link("L-ECF78C67", _EMR))
ALL_EMR_CALLS = Limit("EMR, all calls", 5.0, "/s", _link("L-432FAB44", _EMR))
START_EXECUTION = Limit(
    "Step Functions StartExecution", 300, "/s", _link("quotas", _STEP_FUNCTIONS)
)
STATE_TRANSITIONS = Limit(
    "Step Functions state transitions", 1_500, "/s", _link("quotas", _STEP_FUNCTIONS)
)
OPEN_EXECUTIONS = Limit(
    "Step Functions open executions", 1_000_000, "", _link("quotas", _STEP_FUNCTIONS)
)
DESCRIBE_EXECUTION = Limit(
    "Step Functions DescribeExecution", 15, "/s", _link("quotas", _STEP_FUNCTIONS)
)
LAMBDA_CONCURRENCY = Limit(
    "Lambda concurrent executions",
    1_000,
    "",
    _link("L-B99A9384", "https://docs.aws.amazon.com/lambda/latest/dg/limits.html"),
)
EVENT_INVOCATIONS = Limit(
    "EventBridge invocations",
    18_750,
    "/s",
    _link("L-5540C5E3", "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html"),
)
EMAILS = Limit(
    "SNS emails to a subscription",
    10,
    "/s",
    _link("email", "https://docs.aws.amazon.com/sns/latest/dg/sns-email-notifications.html"),
)
START_QUERY = Limit(
    "Athena StartQueryExecution",
    20,
    "/s",
    _link("re:Post", "https://repost.aws/questions/QUkweCqz_eTbSM8V4xf66m7Q"),
)
ACTIVE_DDL_QUERIES = Limit("Athena active DDL queries", 20, "", _link("L-3CE0BBA0", _ATHENA))
ACTIVE_DML_QUERIES = Limit("Athena active DML queries", 200, "", _link("L-FC5F6546", _ATHENA))
PARTITION_WRITES = Limit(
    "DynamoDB writes to a partition", 1_000, "units/s", _link("hot", _DYNAMODB)
)
PARTITION_READS = Limit("DynamoDB reads of a partition", 3_000, "units/s", _link("hot", _DYNAMODB))
ITEM_SIZE = Limit("DynamoDB item size", 400, "KB", _link("hot", _DYNAMODB))
PREFIX_WRITES = Limit("S3 PUT and DELETE of a prefix", 3_500, "/s", _link("re:Post", _S3))
PREFIX_READS = Limit("S3 GET and HEAD of a prefix", 5_500, "/s", _link("re:Post", _S3))
OBJECT_SIZE = Limit(
    "S3 object size",
    48.8 * 1024,
    "GiB",
    _link("limits", "https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"),
)
TABLE_VERSIONS = Limit("Glue versions of a table", 100_000, "", _link("L-071ABE08", _GLUE))
ALL_TABLE_VERSIONS = Limit("Glue table versions", 1_000_000, "", _link("L-337244C9", _GLUE))
SCANNED_PARTITIONS = Limit("Athena partitions in a scan", 1_000_000, "", _link("limits", _ATHENA))
TABLE_PARTITIONS = Limit("Glue partitions of a table", 10_000_000, "", _link("L-2C3F5401", _GLUE))
ALL_PARTITIONS = Limit("Glue partitions", 20_000_000, "", _link("L-FEBBFA7A", _GLUE))

PIN_TIMEOUT = Limit("timeout of `pin_inputs`", 900, "s", "`template.yaml`", is_ours=True)
STEP_TIMEOUT = Limit(
    "timeout of `RunTransformation` and `RunKpis`", 14_400, "s", "state machine", is_ours=True
)
RUN_TIMEOUT = Limit("timeout of the execution", 36_000, "s", "state machine", is_ours=True)
CRAWL_TIMEOUT = Limit("wait for a crawl", 3_600, "s", "state machine", is_ours=True)
WATCHDOG_TIMEOUT = Limit(
    "timeout of `watchdog`, in a sweep", 300, "s", "`template.yaml`", is_ours=True
)
DISK_SIZE = Limit("disk of a worker", 1024, "GiB", "state machine", is_ours=True)
SCANNED_BYTES = Limit("bytes that a query may scan", 100, "GiB", "`template.yaml`", is_ours=True)
