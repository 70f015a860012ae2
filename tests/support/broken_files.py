"""Valid input files, and invalid ones with the problems that the file check reports."""

from __future__ import annotations

import gzip

VALID_FILES = {
    "users.csv": (
        b"user_id,first_name,last_name,email,phone_number,driver_license_number,"
        b"driver_license_expiry,creation_date,is_active\n"
        b"26d08ab733,Ana,Li,a@b.c,1,x,2027-01-01,2024-01-01,1\n"
    ),
    "vehicles.csv": (
        b"active,vehicle_license_number,registration_name,license_type,expiration_date,"
        b"permit_license_number,certification_date,vehicle_year,base_telephone_number,"
        b"base_address,vehicle_id,last_update_timestamp,brand,vehicle_type\n"
        b"1,5818886,Inc.,FHV,27-09-2025,6EPABCV,2018-01-31,2018,(646)780,1 Main St,"
        b"67789f742d,04-06-2024 13:25:00,Ferrari,high_end\n"
    ),
    "locations.csv": (
        b"location_id,location_name,address,city,state,zip_code,latitude,longitude\n"
        b"1702,Bean LLC,1 Patrick Isle,Fontana,CA,92188,-74.4558925,-42.279882\n"
    ),
    "rental_transactions.csv": (
        b"rental_id,user_id,vehicle_id,rental_start_time,rental_end_time,pickup_location,"
        b"dropoff_location,total_amount\n"
        b"b139d8e1b2,26d08ab733,67789f742d,2024-02-28 08:05:00,2024-03-01 05:05:00,1702,1702,"
        b"450.0\n"
    ),
}


def broken_versions(file: str) -> dict[str, tuple[bytes, str]]:
    """Return invalid versions of the file by name, as pairs of content and reported problems."""
    valid = VALID_FILES[file]
    header, row, _ = valid.split(b"\n")
    names = header.decode().split(",")
    first, second, last = names[0], names[1], names[-1]
    without_last = (
        header.removesuffix(f",{last}".encode()) + b"\n" + row.rpartition(b",")[0] + b"\n"
    )
    duplicate = header.replace(second.encode() + b",", f"{second},{first.upper()},".encode(), 1)
    not_utf8 = valid + row.replace(b"2", b"\xe9", 1) + b"\n"
    position = len(valid) + row.index(b"2") + 1
    several = without_last.split(b"\n")[0].replace(first.encode(), second.encode(), 1) + b"\n\xe9"
    empty = "the file is empty; upload it with a header and rows"
    not_csv = "not CSV; save it as plain CSV and upload it again"
    return {
        "empty": (b"", empty),
        "only a byte-order mark and blank lines": (b"\xef\xbb\xbf\r\n \n", empty),
        "not UTF-8": (
            not_utf8,
            f"the file is not valid UTF-8 (line 3, byte {position} of the file); save it as UTF-8",
        ),
        "no data row": (
            header + b"\n \r\n",
            "the file has no data rows below the header; add at least one row",
        ),
        "missing column": (without_last, f"missing column `{last}`; add it"),
        "duplicate column": (
            duplicate + b"\n" + row + b"\n",
            f"duplicate column `{first}`; give each column a unique name",
        ),
        "semicolons": (
            valid.replace(b",", b";"),
            "wrong delimiter (semicolon); separate the fields with commas",
        ),
        "tabs": (
            valid.replace(b",", b"\t"),
            "wrong delimiter (tab); separate the fields with commas",
        ),
        "pipes": (
            valid.replace(b",", b"|"),
            "wrong delimiter (pipe); separate the fields with commas",
        ),
        "gzip": (gzip.compress(valid, mtime=0), f"the file is gzip-compressed, {not_csv}"),
        "Parquet": (b"PAR1\x15\x04\x15", f"the file is a Parquet file, {not_csv}"),
        "Excel workbook": (
            b"PK\x03\x04",
            f"the file is a zip archive or an Excel workbook, {not_csv}",
        ),
        "HTML error page": (
            b"<!DOCTYPE html><html><body>403 Forbidden</body></html>",
            f"the file is an HTML page, {not_csv}",
        ),
        "S3 error": (
            b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
            f"the file is XML, {not_csv}",
        ),
        "no header": (
            row + b"\n" + row + b"\n",
            "the first line contains none of the expected column names; add the header line",
        ),
        "several problems": (
            several,
            (
                f"the file is not valid UTF-8 (line 2, byte {len(several)} of the file);"
                f" save it as UTF-8; missing columns `{first}`, `{last}`; add them;"
                f" duplicate column `{second}`; give each column a unique name"
            ),
        ),
    }
