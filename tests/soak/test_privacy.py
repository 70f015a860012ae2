"""No personal data leaves the tables that contain it, whatever happens to a batch.

Each personal value in the uploads contains a marker. After successful, rejected, and failed runs
with real Spark on the local cloud, the marker is searched for in everything that the deployed stack
has written.
"""

from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contract.datasets import LOCATIONS, USERS, VEHICLES
from contract.kpi_tables import KPI_TABLES, USER_METRICS
from contract.layout import kpi_prefix
from local import deployment
from local.cloud import start, stop
from local.mailbox import confirm_subscriptions
from tests.local.support.runs import get_body, get_run_id, list_keys, query, read_object
from tests.local.support.stack import Stack
from tests.soak.conftest import RecordFigures
from tests.support.privacy.marked_batches import (
    MARKER,
    PERSONAL_COLUMNS,
    create_invalid_files,
    write_batch_of_invalid_utf8,
    write_batch_with_row_in_header,
    write_hostile_batch,
    write_marked_batch,
)
from tests.support.privacy.search import Search, contains, decode
from tests.support.waiting import wait_until

RENTALS = 500
RUN_TIMEOUT = 900.0  # seconds

# Restricted data by contract: the personal data is what these objects are for.
RESTRICTED_OBJECTS = {
    "raw/": "the uploads",
    "batches/": "copies of the uploads, which the jobs of a run read",
    f"output/{USERS.name}/": "accepted users, with all of their columns",
    f"output/{VEHICLES.name}/": "accepted vehicles, with the names and addresses of their owners",
    f"output/{LOCATIONS.name}/": "accepted locations, with their addresses",
    "quarantine/": "rejected rows as they were uploaded, so that they can be corrected",
}
# Everything that readers of KPIs can query. The views of the restricted tables are not included.
PUBLIC_TABLES = [name for table in KPI_TABLES for name in (table.name, f"history_{table.name}")] + [
    "rentals",
    "history_rentals",
    "published_runs",
]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The deployed template with personal data switched off, with real Spark."""
    cloud = start(tmp_path_factory.mktemp("cloud"))
    try:
        outputs = deployment.deploy(cloud)
        confirm_subscriptions(cloud)
        yield Stack(cloud, deployment.STACK, outputs)
    finally:
        stop(cloud.folder)


@pytest.mark.parametrize("position", range(3))
def test_marker_is_found_in_any_encoding(position: int) -> None:
    text = "x" * position + MARKER.upper() + "-" + MARKER + "."
    for content in (
        text.encode(),
        text.encode("utf-16"),
        text.encode("utf-16-be"),
        gzip.compress(text.encode()),
        text.encode().hex().encode(),
        b64encode(text.encode()),
    ):
        assert contains(decode(content), MARKER)
    assert not contains(b64encode(b"pii0815 " * 9), MARKER)


@dataclass(frozen=True)
class Batches:
    """Uploads marked batches, and waits for what comes of them.

    Attributes:
        stack: The stack.
        folder: A folder for the files.
        rentals: The number of rentals in each batch.
        seed: The seed of the sample data.
    """

    stack: Stack
    folder: Path
    rentals: int
    seed: int

    def run(self, name: str, write: Callable[[Path, int, int], None]) -> dict[str, Any]:
        """Write a batch, upload it, and return its execution after the end."""
        write(self.folder / name, self.rentals, self.seed)
        self.stack.upload_batch(self.folder / name, name)
        execution = self.stack.wait_for_run(name, RUN_TIMEOUT)
        run_id = get_run_id(execution)
        assert wait_until(lambda: any(run_id in text for text in self.list_email_texts()))
        return execution

    def upload_invalid_files(self) -> int:
        """Upload all kinds of invalid files, wait for their emails, and return their number."""
        write_marked_batch(self.folder / "valid", 10, self.seed)
        users = (self.folder / "valid" / USERS.file).read_bytes()
        keys = []
        for name, content in create_invalid_files(users):
            keys.append(f"raw/{name}/{USERS.file}")
            s3 = self.stack.client("s3")
            s3.put_object(Bucket=self.stack.bucket, Key=keys[-1], Body=content)

        def is_rejected(key: str) -> bool:
            return any(f"File rejected: {key}" in text for text in self.list_email_texts())

        assert wait_until(lambda: all(map(is_rejected, keys)), 300), [
            key for key in keys if not is_rejected(key)
        ]
        return len(keys)

    def list_email_texts(self) -> list[str]:
        """Return the subject and the body of each email."""
        return [f"{email['Subject']}\n{get_body(email)}" for email in self.stack.read_emails()]


def test_no_personal_data_outside_restricted_tables(
    stack: Stack,
    tmp_path: Path,
    seed: int,
    scaled: Callable[[int], int],
    record_figures: RecordFigures,
) -> None:
    batches = Batches(stack, tmp_path, scaled(RENTALS), seed)
    statuses = {
        "accepted": batches.run("accepted", write_marked_batch),
        "rejected": batches.run(
            "rejected",
            lambda folder, rentals, seed: write_marked_batch(folder, rentals, seed, 25),
        ),
        "hostile values": batches.run("hostile-values", write_hostile_batch),
        "invalid UTF-8": batches.run("invalid-utf8", write_batch_of_invalid_utf8),
        "row in header": batches.run("row-in-header", write_batch_with_row_in_header),
    }
    assert {name: execution["status"] for name, execution in statuses.items()} == {
        "accepted": "SUCCEEDED",
        "rejected": "FAILED",
        "hostile values": "SUCCEEDED",
        "invalid UTF-8": "FAILED",
        "row in header": "FAILED",
    }
    assert "RunJobs" in statuses["invalid UTF-8"]["cause"]
    invalid_files = batches.upload_invalid_files()
    search = Search(MARKER)
    search.search_everything(stack, PUBLIC_TABLES)
    violations = [place for place in search.found if not is_restricted(place)]
    restricted = len(search.found) - len(violations)
    figures = {"runs": len(statuses), "invalid files": invalid_files}
    figures |= {"restricted objects": restricted, "violations": len(violations)}
    record_figures("privacy", figures | {"searched": dict(search.searched)})
    assert violations == []
    # The search finds what is there, in each format.
    for prefix in RESTRICTED_OBJECTS:
        assert any(place.startswith(f"object: {prefix}") for place in search.found), prefix


def is_restricted(place: str) -> bool:
    """Return whether personal data may be in a place by contract."""
    return any(place.startswith(f"object: {prefix}") for prefix in RESTRICTED_OBJECTS)


def test_personal_data_is_only_in_user_metrics_if_it_is_included(
    stack: Stack, tmp_path: Path, seed: int, record_figures: RecordFigures
) -> None:
    deployment.deploy(stack.cloud, parameters={"IncludePersonalData": "true"})
    batches = Batches(stack, tmp_path, RENTALS, seed + 1)
    execution = batches.run("included", write_marked_batch)
    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    search = Search(MARKER)
    public = [name for name in PUBLIC_TABLES if not name.endswith(USER_METRICS.name)]
    search.search_everything(stack, public)
    included = f"{kpi_prefix(USER_METRICS, get_run_id(execution))}/"
    others = [
        place
        for place in search.found
        if not is_restricted(place) and not place.startswith(f"object: {included}")
    ]
    record_figures(
        "privacy_included", {"violations": len(others), "searched": dict(search.searched)}
    )
    assert others == []
    content = b"".join(decode(read_object(stack, key)) for key in list_keys(stack, included))
    columns = {name for columns in PERSONAL_COLUMNS.values() for name in columns}
    found = {name for name in columns if f"{MARKER}-{name.replace('_', '-')}-".encode() in content}
    assert found == {"first_name", "last_name", "email"}
    rows = query(stack, "SELECT first_name, email FROM user_metrics")
    # Users whose own rows were rejected have no name here.
    named = [row for row in rows if row["email"] is not None]
    assert named
    assert all(MARKER in str(value) for row in named for value in row.values())
