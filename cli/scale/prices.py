"""List prices of AWS in us-east-1, in US dollars. Nothing else in the project contains a price."""

from __future__ import annotations

from dataclasses import dataclass

LOOKED_UP_ON = "2026-11-25"


@dataclass(frozen=True)
class Price:
    """A list price.

    Attributes:
        name: What is charged.
        dollars: The price of one unit.
        unit: The unit.
        source: Address of the page with the price.
        remark: What the stored copy of the page did not contain. Empty if it contained the price.
    """

    name: str
    dollars: float
    unit: str
    source: str
    remark: str = ""


_EC2 = "https://aws.amazon.com/ec2/pricing/on-demand/"
_EMR = "https://aws.amazon.com/emr/pricing/"
_FROM_LARGE = "computed from m7g.large (0.0816): the price is proportional to the size"
_EMR_TABLE_MISSING = "the page could be read without its table: a quarter of the price of EC2"

EC2_INSTANCES = {
    "m7g.xlarge": Price("EC2 m7g.xlarge", 0.1632, "hour", _EC2, _FROM_LARGE),
    "m7g.2xlarge": Price("EC2 m7g.2xlarge", 0.3264, "hour", _EC2, _FROM_LARGE),
}
EMR_INSTANCES = {
    "m7g.xlarge": Price("EMR on m7g.xlarge", 0.0408, "hour", _EMR, _EMR_TABLE_MISSING),
    "m7g.2xlarge": Price("EMR on m7g.2xlarge", 0.0816, "hour", _EMR, _EMR_TABLE_MISSING),
}
DISK = Price(
    "EBS gp3",
    0.08,
    "GiB-month",
    "https://aws.amazon.com/ebs/pricing/",
    "the price of us-east-1 is from https://www.saisci.com/aws/gp3-throughput-explained/",
)
CRAWLER = Price(
    "Glue crawler",
    0.44,
    "DPU-hour, at least 10 minutes",
    "https://aws.amazon.com/glue/pricing/",
    "the page names the price, and the minimum for jobs; crawlers are assumed to have the same",
)
STATE_TRANSITIONS = Price(
    "Step Functions", 0.025, "1,000 transitions", "https://aws.amazon.com/step-functions/pricing/"
)
QUERIES = Price(
    "Athena",
    5.0,
    "TB, at least 10 MB for each query",
    "https://aws.amazon.com/athena/pricing/",
    "from https://athena.guide/articles/athena-basics-pricing-model",
)
LISTS = Price(
    "S3 LIST and PUT",
    0.005,
    "1,000 requests",
    "https://aws.amazon.com/s3/pricing/",
    "from https://athena.guide/articles/athena-basics-pricing-model",
)
LEDGER_WRITES = Price(
    "DynamoDB writes",
    0.625,
    "1,000,000 units",
    "https://aws.amazon.com/dynamodb/pricing/on-demand/",
    "from https://airbyte.com/data-engineering-resources/dynamodb-pricing",
)

ALL = (
    *EC2_INSTANCES.values(),
    *EMR_INSTANCES.values(),
    DISK,
    CRAWLER,
    STATE_TRANSITIONS,
    QUERIES,
    LISTS,
    LEDGER_WRITES,
)

HOURS_PER_MONTH = 730


def get_hourly_price(instance_type: str) -> float | None:
    """Return the On-Demand price of an instance with EMR, or None if it is not known here."""
    if instance_type not in EC2_INSTANCES:
        return None
    return EC2_INSTANCES[instance_type].dollars + EMR_INSTANCES[instance_type].dollars
