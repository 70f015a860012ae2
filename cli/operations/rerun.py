"""The command `rerun`: process the input of a run again, as a new run."""

from __future__ import annotations

import json
import re
from typing import Any

from botocore.exceptions import ClientError

from cli.exit_codes import CommandError
from cli.runs.publications import read_publications, read_record
from cli.runs.run import Run
from cli.runs.run_details import list_files
from cli.runs.run_reader import RunReader
from cli.target.target import Target
from contract.datasets import DATASETS, Dataset
from contract.layout import is_run_id, pinned_key
from local.errors import UserError
from pipeline.aws.clients import error_code

# The ID of a run that repeats another one, such as `2026-11-<digest>-2`.
_REPEATED_RUN = re.compile(r"(?P<run>.+-[0-9a-f]{20})-[0-9]+")
# S3 answers 405 for a version that is a delete marker.
_MISSING_CODES = {"404", "405", "MethodNotAllowed", "NoSuchKey", "NoSuchVersion"}


def build_input(reader: RunReader, run: Run) -> dict[str, Any]:
    """Return the input of an execution that repeats a run.

    It has the files and the time of the claim of the run. Where S3 no longer has the uploaded
    version of a file, the new run reads the copy that the run itself has pinned.

    Raises:
        UserError: A file exists in neither form.
    """
    description = reader.describe_execution(run.run_id)
    content = _parse_input(description["input"]) if description else {}
    uploads = {file.dataset: file for file in list_files(run.run_id, content)}
    entries = {entry["dataset"]: entry for entry in content["files"]} if uploads else {}
    files = []
    for dataset in DATASETS:
        upload = uploads.get(dataset.name)
        if upload and _get_size(reader.target, upload.key, upload.version_id) == upload.size:
            files.append(entries[dataset.name])
        else:
            files.append(_describe_pinned_copy(reader.target, run.run_id, dataset))
    origin = content or _read_origin(reader.target, run.run_id)
    return {**content, "batch": origin["batch"], "claimed_at": origin["claimed_at"], "files": files}


def choose_run_id(reader: RunReader, run_id: str) -> str:
    """Return the ID of the next run that repeats a run: `<run>-2`, or the next free number.

    Raises:
        UserError: The ID would be too long.
    """
    match = _REPEATED_RUN.fullmatch(run_id)
    original = match["run"] if match else run_id
    used = set(reader.list_ids_with_prefix(original))
    number = 2
    while f"{original}-{number}" in used or reader.find(f"{original}-{number}"):
        number += 1
    new_id = f"{original}-{number}"
    if not is_run_id(new_id):
        raise UserError(f"the ID of run {run_id} is too long to repeat it")
    return new_id


def start_rerun(target: Target, run_id: str, execution_input: dict[str, Any]) -> None:
    """Start the execution of a run.

    Raises:
        CommandError: Somebody else has just started a run with this ID.
    """
    stepfunctions = target.client("stepfunctions")
    try:
        stepfunctions.start_execution(
            stateMachineArn=target.state_machine_arn,
            name=run_id,
            input=json.dumps(execution_input, sort_keys=True),
        )
    except ClientError as error:
        if error_code(error) != "ExecutionAlreadyExists":
            raise
        raise CommandError(
            f"somebody else has just started {run_id}: run this command again"
        ) from None


def find_later_run(target: Target, execution_input: dict[str, Any]) -> str | None:
    """Return the published run if it was claimed later: the new run will be superseded by it."""
    publications = read_publications(target)
    if publications.published is None:
        return None
    record = read_record(target, publications.records[-1].key)
    is_later = str(record.get("claimed_at", "")) > execution_input["claimed_at"]
    return publications.published if is_later else None


def _parse_input(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    is_complete = isinstance(content, dict) and {"batch", "claimed_at", "files"} <= set(content)
    return content if is_complete else {}


def _describe_pinned_copy(target: Target, run_id: str, dataset: Dataset) -> dict[str, Any]:
    key = pinned_key(dataset, run_id)
    try:
        head = target.client("s3").head_object(Bucket=target.bucket, Key=key)
    except ClientError as error:
        if error_code(error) not in _MISSING_CODES:
            raise
        raise UserError(
            f"the input of run {run_id} is no longer kept: neither the uploaded {dataset.file} nor"
            f" s3://{target.bucket}/{key} exists. Upload the files again"
        ) from None
    return {
        "dataset": dataset.name,
        "key": key,
        "version_id": head["VersionId"],
        "size": head["ContentLength"],
        "warnings": [],
    }


def _get_size(target: Target, key: str, version_id: str) -> int | None:
    """Return the size of a version, or `None` if S3 no longer has it."""
    try:
        head = target.client("s3").head_object(Bucket=target.bucket, Key=key, VersionId=version_id)
    except ClientError as error:
        # The local cloud and moto answer 400 for the ID of a version that never existed, as S3.
        if error_code(error) in _MISSING_CODES | {"400", "InvalidArgument"}:
            return None
        raise
    return int(head["ContentLength"])


def _read_origin(target: Target, run_id: str) -> dict[str, Any]:
    """Return batch and claim of a run that Step Functions has forgotten, from its record.

    Raises:
        UserError: It has none, so nothing knows when it was claimed.
    """
    records = read_publications(target).list_of_run(run_id)
    content = read_record(target, records[0].key) if records else {}
    if not {"batch", "claimed_at"} <= set(content):
        raise UserError(
            f"nothing knows any more when run {run_id} was claimed: upload its files again. Its"
            f" copies are below s3://{target.bucket}/{pinned_key(DATASETS[0], run_id)}"
        )
    return content
