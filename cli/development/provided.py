"""Wheels that hold nothing but a name: for what the Lambda runtime brings itself.

aws-xray-sdk asks for botocore, which the runtime has. pip knows no "provided", and `sam build` lets
pip fetch whatever is asked for: 16 MB that would never be imported. So an empty wheel under
that name takes its place, in the lock file of the Lambdas alone (`src/requirements.txt`).
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "requirements" / "provided"
NAME = "botocore"
# It has to be in the ranges that others ask for, and no index has a version with such an end, so
# it can be taken for nobody else's.
VERSION = "1.43.102+lambda"

_EPOCH = (1980, 1, 1, 0, 0, 0)
_METADATA = f"""\
Metadata-Version: 2.1
Name: {NAME}
Version: {VERSION}
Summary: Empty; the Lambda runtime brings the real one
"""
_WHEEL = """\
Wheel-Version: 1.0
Generator: rental-kpi
Root-Is-Purelib: true
Tag: py3-none-any
"""


def write_provided_wheel(folder: Path = FOLDER) -> Path:
    """Write the empty wheel; always the same bytes, so that the lock file's hash holds."""
    info = f"{NAME}-{VERSION}.dist-info"
    files = {f"{info}/METADATA": _METADATA, f"{info}/WHEEL": _WHEEL}
    record = [f"{name},sha256={_digest(text)},{len(text)}" for name, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""])
    target = folder / f"{NAME}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as wheel:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # Unix, whatever builds it
            entry.external_attr = 0o100644 << 16
            wheel.writestr(entry, text)
    return target


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
