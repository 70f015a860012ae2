"""Tests of the oracle against values computed by hand."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from . import Expected, RejectedFileError, compute_expected

REAL_DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "rentals"

USERS = (
    "user_id,first_name,last_name,email,phone_number,driver_license_number,"
    "driver_license_expiry,creation_date,is_active\n"
)
VEHICLES = (
    "active,vehicle_license_number,registration_name,license_type,expiration_date,"
    "permit_license_number,certification_date,vehicle_year,base_telephone_number,base_address,"
    "vehicle_id,last_update_timestamp,brand,vehicle_type\n"
)
LOCATIONS = "location_id,location_name,address,city,state,zip_code,latitude,longitude\n"
RENTALS = (
    "rental_id,user_id,vehicle_id,rental_start_time,rental_end_time,pickup_location,"
    "dropoff_location,total_amount\n"
)
USER = "u1,Ann,Lee,Ann@X.org,555,,,2024-01-02,1\n"
VEHICLE = "1,77,,,31-12-2030,,,,,,v1,,BMW,premium\n"
LOCATION = "l1,Home,1 Road,Town,ca,01234,1,2\n"
RENTAL = "r1,u1,v1,2024-01-02 10:00:00,2024-01-02 11:00:00,l1,,10\n"


def run(
    folder: Path,
    *,
    users: str = USERS + USER,
    vehicles: str = VEHICLES + VEHICLE,
    locations: str = LOCATIONS + LOCATION,
    rentals: str = RENTALS + RENTAL,
    personal_data: bool = False,
) -> Expected:
    """Return the expected output for four files with the given content."""
    texts = {
        "users": users,
        "vehicles": vehicles,
        "locations": locations,
        "rental_transactions": rentals,
    }
    for name, text in texts.items():
        (folder / f"{name}.csv").write_bytes(text.encode())
    return compute_expected(folder, personal_data=personal_data)


def rental(rental_id: str, start: str, end: str, amount: str = "10", pickup: str = "l1") -> str:
    """Return a line with a rental of user u1 and vehicle v1 in January 2024."""
    return f"{rental_id},u1,v1,2024-01-{start},2024-01-{end},{pickup},,{amount}\n"


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="the shared data set is not available")
def test_real_data_has_the_published_totals() -> None:
    result = compute_expected(REAL_DATA)

    sizes = {"users": 30000, "vehicles": 18180, "locations": 300, "rentals": 20080}
    assert result.transformation == {
        "datasets": {
            name: {"read": size, "accepted": size, "rejected": 0, "reasons": {}}
            for name, size in sizes.items()
        },
        "warnings": {
            "unknown_user": 0,
            "unknown_vehicle": 0,
            "unknown_location": 0,
            "inactive_user": 4083,
            "rental_before_signup": 9880,
            "overlapping_vehicle_rental": 34,
        },
        "accepted_revenue": "16200620.00",
    }
    reports = result.kpis["tables"]
    assert isinstance(reports, dict)
    assert {name: report.pop("rows") for name, report in reports.items()} == {
        "location_metrics": 300,
        "vehicle_metrics": len(result.tables["vehicle_metrics"]),
        "daily_metrics": 152,
        "transaction_metrics": 1,
        "user_metrics": 10000,
    }
    totals = {"total_transactions": 20080, "total_revenue": "16200620.00"}
    assert all(report == totals for report in reports.values())

    (overall,) = result.tables["transaction_metrics"]
    assert overall == {
        "total_transactions": 20080,
        "total_revenue": Decimal(16200620),
        "average_transaction": Decimal("806.80"),  # 16200620 / 20080 = 806.8038...
        "overall_max_transaction": Decimal(3600),
        "overall_min_transaction": Decimal(10),
        "total_rental_hours": Decimal(733207),
        "unique_users": 10000,
        "unique_vehicles": 18180,
        "first_rental_date": date(2024, 1, 1),
        "last_rental_date": date(2024, 5, 31),
    }
    by_type: dict[object, list[Decimal]] = {}
    for row in result.tables["vehicle_metrics"]:
        sums = by_type.setdefault(row["vehicle_type"], [Decimal(0)] * 3)
        for position, column in enumerate(("total_rentals", "total_revenue", "total_rental_hours")):
            sums[position] += Decimal(str(row[column]))
    assert by_type == {
        "basic": [7931, 2902650, 290265],
        "premium": [8139, 5899420, 294971],
        "high_end": [4010, 7398550, 147971],
    }
    best = max(
        result.tables["location_metrics"], key=lambda row: Decimal(str(row["total_revenue"]))
    )
    assert (best["location_id"], best["location_name"]) == ("4380", "Bean LLC")
    assert best["total_revenue"] == Decimal(88170)


def test_rows_after_an_unclosed_quote_are_read(tmp_path: Path) -> None:
    records = [
        "\ufeffLOCATION_ID , location_name,address,city,state,zip_code,latitude,longitude\r\n",
        "\r\n \t\r\n",
        'l1,"Two\r\nlines, ""quoted""",1 Road,Town,ca,01234,1,2\r\n',
        'l2, "padded",1 Road,Town,ca,01234,1,2\r\n',
        'l3,"never closed,1 Road,Town,ca,01234,1,2\r\n',
        "l4,Home,1 Road,Town,ca,01234,1,2\r\n",
        'l5,"too\r\nfew"\r\n',
        "l6,back\\slash,1 Road,Town,ca,01234,1,2",
    ]
    result = run(tmp_path, locations="".join(records))

    names = {row["location_id"]: row["location_name"] for row in result.accepted["locations"]}
    assert names == {"l1": 'Two\r\nlines, "quoted"', "l4": "Home", "l6": "back\\slash"}
    # The next quote after l3's precedes `too`, where no field can end.
    assert [row["raw_record"] for row in result.rejected["locations"]] == [
        'l2, "padded",1 Road,Town,ca,01234,1,2',
        'l3,"never closed,1 Road,Town,ca,01234,1,2',
        'l5,"too\r\nfew"',
    ]
    for row in result.rejected["locations"]:
        assert row["reject_reasons"] == ["malformed_row"]
        assert row["location_id"] is None


@pytest.mark.parametrize("ending", ["", "\r", "\n", "\r\n", "\n\r", "\r\n\r"])
def test_cr_at_the_end_of_the_file_belongs_to_a_line_ending(tmp_path: Path, ending: str) -> None:
    result = run(tmp_path, rentals=RENTALS + RENTAL.removesuffix("\n") + ending)

    assert [row["rental_id"] for row in result.accepted["rentals"]] == ["r1"]
    assert result.rejected["rentals"] == []


def test_each_line_of_rentals_is_one_record(tmp_path: Path) -> None:
    lines = 'r2,"u1\nr3",u1,v1\n' + RENTAL.replace("r1", '"r1"')
    result = run(tmp_path, rentals=RENTALS + lines)

    assert [row["raw_record"] for row in result.rejected["rentals"]] == ['r2,"u1', 'r3",u1,v1']
    assert [row["rental_id"] for row in result.accepted["rentals"]] == ["r1"]


def test_duplicate_with_the_first_raw_text_is_accepted(tmp_path: Path) -> None:
    users = [
        USERS,
        "u1,Ann,Lee,b@x.org,555,,,2024-01-02,1\n",
        "u1,Ann,Lee,a@x.org,555,,,2024-01-02,0\n",
        "u1,Aaa,Lee,a@x.org,555,,,2024-02-30,1\n",  # invalid, so not a candidate
        '" u1",Zoe,Lee,z@x.org,556,,,2024-01-02,1\n',  # a space sorts before letters
    ]
    result = run(tmp_path, users="".join(users))

    assert [row["first_name"] for row in result.accepted["users"]] == ["Zoe"]
    assert result.accepted["users"][0]["user_id"] == "u1"
    rejected = result.rejected["users"]
    assert [(row["email"], row["reject_reasons"]) for row in rejected] == [
        ("b@x.org", ["duplicate_user_id"]),
        ("a@x.org", ["duplicate_user_id"]),
        ("a@x.org", ["invalid_creation_date"]),
    ]
    datasets = result.transformation["datasets"]
    assert isinstance(datasets, dict)
    assert datasets["users"] == {
        "read": 4,
        "accepted": 1,
        "rejected": 3,
        "reasons": {"duplicate_user_id": 2, "invalid_creation_date": 1},
    }


def test_values_are_rounded_half_up_once(tmp_path: Path) -> None:
    rentals = [
        RENTALS,
        rental("r1", "02 00:00:00", "02 00:00:18", "0.01"),  # 18 s = 0.005 h
        rental("r2", "02 00:00:17", "02 00:00:34", "0.02"),  # 17 s = 0.0047 h; overlaps r1
        rental("r3", "03 00:00:00", "03 00:00:17", "0.00", pickup="l9"),
    ]
    result = run(tmp_path, rentals="".join(rentals), personal_data=True)

    durations = [row["rental_duration_hours"] for row in result.accepted["rentals"]]
    assert durations == [Decimal("0.01"), Decimal("0.00"), Decimal("0.00")]
    home, unknown = result.tables["location_metrics"]
    # 0.03 / 2 = 0.015 and 35 s = 0.0097 h
    assert (home["average_transaction"], home["total_rental_hours"]) == (
        Decimal("0.02"),
        Decimal("0.01"),
    )
    assert (unknown["location_id"], unknown["city"]) == ("l9", None)
    (vehicle,) = result.tables["vehicle_metrics"]
    # 52 s = 0.0144 h, which is 0.0048 h per rental
    assert (vehicle["total_rental_hours"], vehicle["avg_rental_duration"]) == (
        Decimal("0.01"),
        Decimal("0.00"),
    )
    (user,) = result.tables["user_metrics"]
    assert list(user.items())[-3:] == [
        ("first_name", "Ann"),
        ("last_name", "Lee"),
        ("email", "ann@x.org"),
    ]
    assert result.transformation["warnings"] == {
        "unknown_user": 0,
        "unknown_vehicle": 0,
        "unknown_location": 1,
        "inactive_user": 0,
        "rental_before_signup": 0,
        "overlapping_vehicle_rental": 1,
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-0.0000005", "-0.000001"),
        ("-0.0000004", "0.000000"),
        ("+90.0000004", "90.000000"),
        ("90.0000005", None),
        ("90.000000" + "4" + "9" * 100_000, "90.000000"),
        ("90.000000" + "5" + "0" * 100_000, None),
        ("-45.123456" + "49" * 50_000, "-45.123456"),
        ("-45.1234565" + "0" * 100_000, "-45.123457"),
        ("0" * 100_000 + "45.25", "45.250000"),
        ("0." + "0" * 100_000 + "9", "0.000000"),
        ("1" + "0" * 100_000, None),
        ("1." + "0" * 100_000 + "x", None),
        ("1.", None),
        (".5", None),
        ("1e1", None),
    ],
)
def test_latitude_is_rounded_before_its_range_is_checked(
    tmp_path: Path, text: str, value: str | None
) -> None:
    result = run(tmp_path, locations=LOCATIONS + LOCATION.replace(",1,2", f",{text},2"))

    assert [str(row["latitude"]) for row in result.accepted["locations"]] == (
        [value] if value else []
    )
    assert [row["reject_reasons"] for row in result.rejected["locations"]] == (
        [] if value else [["invalid_latitude"]]
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("450", "450.00"),
        ("450.0", "450.00"),
        ("000000000000450.00", "450.00"),
        ("0" * 100_000 + "450.05", "450.05"),
        ("0." + "0" * 100_000, None),
        ("1" * 100_000, None),
        ("9999999999.99", "9999999999.99"),
        ("10000000000", None),
        ("1.999", None),
        ("-1", None),
        ("+1", None),
        ("NaN", None),
        ("\u0661", None),  # a digit, but not an ASCII digit
    ],
)
def test_amount_has_only_plain_digits(tmp_path: Path, text: str, value: str | None) -> None:
    result = run(tmp_path, rentals=RENTALS + RENTAL.replace(",10\n", f",\t{text} \n"))

    assert [str(row["total_amount"]) for row in result.accepted["rentals"]] == (
        [value] if value else []
    )
    assert [(row["total_amount"], row["reject_reasons"]) for row in result.rejected["rentals"]] == (
        [] if value else [(f"\t{text} ", ["invalid_total_amount"])]
    )


def test_accepted_vehicle_has_typed_values(tmp_path: Path) -> None:
    vehicle = "0,007, ,,29-02-2024,,,002020,,,12e4567890,04-06-2024 13:25:00,BMW,premium\n"
    (row,) = run(tmp_path, vehicles=VEHICLES + vehicle).accepted["vehicles"]

    assert row == {
        "active": False,
        "vehicle_license_number": "007",
        "registration_name": None,
        "license_type": None,
        "expiration_date": date(2024, 2, 29),
        "permit_license_number": None,
        "certification_date": None,
        "vehicle_year": 2020,
        "base_telephone_number": None,
        "base_address": None,
        "vehicle_id": "12e4567890",
        "last_update_timestamp": datetime.fromisoformat("2024-06-04 13:25:00"),
        "brand": "BMW",
        "vehicle_type": "premium",
    }


def test_rejected_row_has_all_reject_codes(tmp_path: Path) -> None:
    rows = (
        "r1,,v1,2024-01-02 24:00:00,x,l1,,1\nr2,u1,v1,2024-01-03 00:00:00,2024-01-03 00:00:00,,,\n"
    )
    result = run(tmp_path, rentals=RENTALS + rows)

    assert [row["reject_reasons"] for row in result.rejected["rentals"]] == [
        ["invalid_rental_end_time", "invalid_rental_start_time", "missing_user_id"],
        ["end_not_after_start", "missing_pickup_location", "missing_total_amount"],
    ]


def test_dimensions_without_accepted_rows_are_a_problem_of_the_transformation(
    tmp_path: Path,
) -> None:
    result = run(tmp_path, users=USERS + "u1\n", locations=LOCATIONS + "l1\n")

    assert result.transformation["problem"] == (
        "no accepted users: every row of users.csv was rejected;"
        " no accepted locations: every row of locations.csv was rejected"
    )
    assert "problem" not in result.kpis


def test_no_accepted_rentals_is_a_problem(tmp_path: Path) -> None:
    result = run(tmp_path, rentals=RENTALS + "r1\n")

    problem = "no accepted rentals: every row of rental_transactions.csv was rejected"
    assert result.transformation["problem"] == problem
    assert result.transformation["accepted_revenue"] == "0.00"
    empty = {"rows": 0, "total_transactions": 0, "total_revenue": "0.00"}
    assert result.kpis == {
        "tables": {
            "location_metrics": empty,
            "vehicle_metrics": empty,
            "daily_metrics": empty,
            "transaction_metrics": empty | {"rows": 1},
            "user_metrics": empty,
        },
        "problem": problem,
    }
    assert list(result.tables["transaction_metrics"][0].values()) == [
        0,
        Decimal(0),
        None,
        None,
        None,
        Decimal(0),
        0,
        0,
        None,
        None,
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        LOCATIONS,
        LOCATION * 2,
        LOCATIONS.strip() + ",CITY \n" + LOCATION,
        LOCATIONS.strip() + ",extra,Extra\n" + LOCATION,
    ],
)
def test_rejected_file_has_no_expected_output(tmp_path: Path, text: str) -> None:
    with pytest.raises(RejectedFileError, match=r"^locations\.csv: "):
        run(tmp_path, locations=text)
