"""Files that are refused as a whole, with the words for it (data contract, section 1)."""

from __future__ import annotations

import gzip

GOOD = {
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


def broken(file: str) -> dict[str, tuple[bytes, str]]:
    """Ways to spoil the file, by name: what it then holds, and the problems that are told."""
    good = GOOD[file]
    header, row, _ = good.split(b"\n")
    names = header.decode().split(",")
    first, second, last = names[0], names[1], names[-1]
    no_last = header.removesuffix(f",{last}".encode()) + b"\n" + row.rpartition(b",")[0] + b"\n"
    twice = header.replace(second.encode() + b",", f"{second},{first.upper()},".encode(), 1)
    not_utf8 = good + row.replace(b"2", b"\xe9", 1) + b"\n"
    at = len(good) + row.index(b"2") + 1
    several = no_last.split(b"\n")[0].replace(first.encode(), second.encode(), 1) + b"\n\xe9"
    empty = "the file is empty; drop the file with its header and rows"
    plain = "save it as plain CSV and drop it again"
    return {
        "empty": (b"", empty),
        "only a byte-order mark and blank lines": (b"\xef\xbb\xbf\r\n \n", empty),
        "not UTF-8": (not_utf8, f"not UTF-8 (line 3, byte {at}); save it as UTF-8"),
        "no data row": (header + b"\n \r\n", "no data row below the header"),
        "a column missing": (no_last, f"missing column `{last}`"),
        "a column twice": (twice + b"\n" + row + b"\n", f"column named twice: `{first}`"),
        "semicolons": (
            good.replace(b",", b";"),
            "wrong delimiter: semicolon instead of comma",
        ),
        "tabs": (good.replace(b",", b"\t"), "wrong delimiter: tab instead of comma"),
        "pipes": (good.replace(b",", b"|"), "wrong delimiter: pipe instead of comma"),
        "gzip": (gzip.compress(good, mtime=0), f"not CSV but gzip-compressed; {plain}"),
        "Parquet": (b"PAR1\x15\x04\x15", f"not CSV but Parquet; {plain}"),
        "a workbook": (b"PK\x03\x04", f"not CSV but a zip archive or an Excel workbook; {plain}"),
        "an error page": (
            b"<!DOCTYPE html><html><body>403 Forbidden</body></html>",
            f"not CSV but an HTML page; {plain}",
        ),
        "an error of S3": (
            b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
            f"not CSV but XML; {plain}",
        ),
        "no header": (
            row + b"\n" + row + b"\n",
            "the first line names none of the expected columns",
        ),
        "several problems": (
            several,
            (
                f"not UTF-8 (line 2, byte {len(several)}); save it as UTF-8;"
                f" missing column `{first}`, `{last}`; column named twice: `{second}`"
            ),
        ),
    }
