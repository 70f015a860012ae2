"""Valid rows of a simulated rental business of any size, with the structure of the real data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from random import Random

from contract.datasets import LOCATIONS, RENTALS, USERS, VEHICLES, Dataset

Row = tuple[str, ...]
"""The fields of a row, in the column order of the contract."""

REAL_COUNTS = {USERS: 30_000, VEHICLES: 18_180, LOCATIONS: 300, RENTALS: 20_080}
MIN_ROWS = 10
USERS_PER_RENTER = 3  # one user in three has rentals
UNSCHEDULED_SHARE = 0.02  # rentals of a random vehicle at a random time, so that a few overlap
MAX_RENTAL_HOURS = 72


def _split(text: str) -> list[str]:
    return text.split()


BASIC = ("basic", 10, _split("Toyota Honda Nissan Chevrolet"))
PREMIUM = ("premium", 20, _split("BMW Audi Cadillac Mercedes-Benz"))
HIGH_END = ("high_end", 50, _split("Tesla Porsche Ferrari Lamborghini Bentley"))
VEHICLE_CLASSES = (BASIC, PREMIUM, BASIC, PREMIUM, HIGH_END)
"""Vehicle type, hourly rate, and brands. Each entry is equally likely."""

FIRST_NAMES = _split(
    "Aaron Amanda Andrew Angela Beth Brian Carlos Christina Courtney Daniel David Elizabeth "
    "Eric Heather James Jennifer John Jose Joshua Karen Kevin Laura Lisa Mark Mary Matthew "
    "Melissa Michael Molly Nicole Patrick Rachel Robert Sarah Stephanie Thomas Tina William Zoe"
)
LAST_NAMES = _split(
    "Acosta Adams Anderson Bean Brady Brooks Brown Chavez Coleman Davis Deleon Evans Garcia "
    "Gonzales Griffin Harris Hoover Huff Jackson Johnson Jones Le Martin Martinez Mcclain "
    "Miller Moore Nguyen Parker Quinn Robinson Sanchez Serrano Smith Thompson Valentine "
    "Velazquez Walker Ward Watson Williams Wright Young Zuniga"
)
EMAIL_HOSTS = ("gmail.com", "yahoo.com", "hotmail.com")
PHONE_NUMBERS = ["{0}{1}{2}", "({0}){1}-{2}{3}", "{0}.{1}.{2}{3}"]
PHONE_NUMBERS += ["{0}-{1}-{2}{3}", "+1-{0}-{1}-{2}{3}", "001-{0}-{1}-{2}{3}"]
COMPANIES = ("{0} LLC", "{0} Inc", "{0} Group", "{0} and Sons", "{0}-{1}", "{0}, {1} and {2}")
REGISTRATIONS = (
    "{0},{1}",
    "{0},{1},A",
    "{0} {1}",
    "\\{0}, {1}",
    "{0} AUTO GROUP INC",
    "{0},LIMO-AUTO,CORP",
    "CITY,LIVERY,LEASING,{0},INC",
)
STREETS = _split("Causeway Extension Grove Isle Knolls Loaf Parkway Radial Road Spur Street View")
CITIES = ["Anaheim", "Chula Vista", "Fontana", "Fresno", "Huntington Beach", "Long Beach"]
CITIES += ["Los Angeles", "Modesto", "Oakland", "Oceanside", "Rancho Cucamonga", "Roseville"]
CITIES += ["Sacramento", "San Diego", "San Francisco", "San Jose", "Santa Rosa", "Visalia"]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LETTERS_AND_DIGITS = LETTERS + "0123456789"
PERMIT_CODE_PARTS = [a + b for a in LETTERS_AND_DIGITS for b in LETTERS_AND_DIGITS]


def _list_days(first: date, count: int) -> list[str]:
    return [(first + timedelta(day)).isoformat() for day in range(count)]


PERIOD_MINUTES = 152 * 24 * 60  # January 1 to May 31
RENTAL_DAYS = _list_days(date(2024, 1, 1), 152 + MAX_RENTAL_HOURS // 24)
SIGNUP_DAYS = _list_days(date(2024, 1, 1), 151)
LICENSE_EXPIRY_DAYS = _list_days(date(2024, 6, 4), 3652)
PERMIT_EXPIRY_DAYS = [
    "-".join(reversed(day.split("-"))) for day in _list_days(date(2024, 7, 14), 901)
]
TIMES_OF_DAY = [f"{minute // 60:02}:{minute % 60:02}:00" for minute in range(24 * 60)]


class IdSequence:
    """Unique IDs of ten hexadecimal digits, computed from row numbers without storing them.

    No two row numbers share an ID because every step of the scrambling is reversible.
    """

    def __init__(self, rng: Random) -> None:
        self._offset = rng.getrandbits(40)

    def scramble(self, number: int) -> int:
        """Return the ID of a row number as a 40-bit integer."""
        mixed = (number * 0x9E3779B97F + self._offset) & 0xFFFFFFFFFF
        mixed ^= mixed >> 20
        return mixed * 0xBF58476D1D & 0xFFFFFFFFFF

    def __getitem__(self, number: int) -> str:
        return f"{self.scramble(number):010x}"


class Business:
    """All rows of the four files.

    Up to the size of the real data, the ratios of users, vehicles, and locations to rentals match
    the real data, with at least ten rows in each dataset. Beyond that size, these datasets grow at
    one sixth of the ratio: a million rentals have 274,003 users, 166,046 vehicles, and 2,740
    locations.

    Args:
        rentals: Number of rentals.
        seed: Random seed. The same seed always generates the same rows.
        counts: Numbers of rows of the other datasets, instead of those that follow from `rentals`.
    """

    def __init__(
        self, rentals: int, seed: int, counts: Mapping[Dataset, int] | None = None
    ) -> None:
        self._seed = seed
        real = REAL_COUNTS[RENTALS]
        size = min(rentals, real) + max(rentals - real, 0) // 6
        self.counts = {
            dataset: max(count * size // real, MIN_ROWS) for dataset, count in REAL_COUNTS.items()
        }
        self.counts |= {**(counts or {}), RENTALS: rentals}
        self._ids = {
            dataset: IdSequence(self.random(f"{dataset.name} ids")) for dataset in REAL_COUNTS
        }
        self._location_ids = self._generate_location_ids()
        self._row_generators: dict[Dataset, Callable[[Random], Iterator[Row]]] = {
            USERS: self._generate_users,
            VEHICLES: self._generate_vehicles,
            LOCATIONS: self._generate_locations,
            RENTALS: self._generate_rentals,
        }

    def random(self, purpose: str) -> Random:
        """Return an independent random number generator for a purpose, derived from the seed."""
        return Random(f"{self._seed} {purpose}")

    def rows(self, dataset: Dataset) -> Iterator[Row]:
        """Generate the rows of a dataset one by one."""
        return self._row_generators[dataset](self.random(dataset.name))

    def _generate_location_ids(self) -> list[str]:
        count, lowest = self.counts[LOCATIONS], 1000
        while count > 9 * lowest:
            lowest *= 10
        numbers = self.random("location ids").sample(range(lowest, 10 * lowest), count)
        return [str(number) for number in numbers]

    def _generate_users(self, rng: Random) -> Iterator[Row]:
        ids = self._ids[USERS]
        for number in range(self.counts[USERS]):
            first, last = _choose(rng, FIRST_NAMES), _choose(rng, LAST_NAMES)
            yield (
                ids[number],
                first,
                last,
                f"{first}.{last}@{_choose(rng, EMAIL_HOSTS)}".lower(),
                _random_phone_number(rng),
                f"{_choose(rng, LETTERS)}{_choose(rng, LETTERS)}{_random_digits(rng, 6)}",
                _choose(rng, LICENSE_EXPIRY_DAYS),
                _choose(rng, SIGNUP_DAYS),
                "1" if rng.random() < 0.8 else "0",
            )

    def _generate_vehicles(self, rng: Random) -> Iterator[Row]:
        ids = self._ids[VEHICLES]
        for number in range(self.counts[VEHICLES]):
            vehicle_type, _, brands = _get_vehicle_class(ids, number)
            names = _choose(rng, LAST_NAMES).upper(), _choose(rng, FIRST_NAMES).upper()
            year = _random_integer(rng, 2010, 2025)
            yield (
                "1" if rng.random() < 0.9 else "0",
                f"5{_random_digits(rng, 6)}"
                if rng.random() < 0.99
                else f"V{_random_digits(rng, 5)}",
                _choose(rng, REGISTRATIONS).format(*names),
                "FOR HIRE VEHICLE",
                _choose(rng, PERMIT_EXPIRY_DAYS),
                "".join(rng.choices(PERMIT_CODE_PARTS, k=4)),
                f"{year}-{_random_integer(rng, 1, 12):02}-{_random_integer(rng, 1, 28):02}",
                str(year),
                f"(646){_random_digits(rng, 3)}-{_random_digits(rng, 4)}",
                f"{_random_street(rng)} {_choose(rng, CITIES)} CA {_random_zip_code(rng)}".upper(),
                ids[number],
                f"04-06-2024 {_choose(rng, TIMES_OF_DAY)}",
                _choose(rng, brands),
                vehicle_type,
            )

    def _generate_locations(self, rng: Random) -> Iterator[Row]:
        for location_id in self._location_ids:
            apartment, suite = _random_digits(rng, 3), _random_digits(rng, 3)
            unit = _choose(rng, ("", f" Apt. {apartment}", f" Suite {suite}"))
            # As in the real data, half of the latitudes have a seventh decimal, a 5, to be rounded.
            half_millionths = _random_integer(rng, -180_000_000, 180_000_000)
            yield (
                location_id,
                _choose(rng, COMPANIES).format(*rng.sample(LAST_NAMES, 3)),
                f"{_random_street(rng)}{unit}",
                _choose(rng, CITIES),
                "CA",
                _random_zip_code(rng),
                f"{half_millionths / 2_000_000:.{7 if half_millionths % 2 else 6}f}",
                f"{_random_integer(rng, -180_000_000, 180_000_000) / 1_000_000:.6f}",
            )

    def _generate_rentals(self, rng: Random) -> Iterator[Row]:
        random = rng.random  # the other methods of Random are too slow for a million rows
        ids, user_ids, vehicle_ids = self._ids[RENTALS], self._ids[USERS], self._ids[VEHICLES]
        location_ids, vehicle_count = self._location_ids, self.counts[VEHICLES]
        renter_count = -(-self.counts[USERS] // USERS_PER_RENTER)
        # Each rental of a vehicle has its own slot in the period; otherwise too many would overlap.
        slot_count = -(-self.counts[RENTALS] // vehicle_count)
        slot_minutes = PERIOD_MINUTES // slot_count
        for number in range(self.counts[RENTALS]):
            renter = number if number < renter_count else int(random() * renter_count)
            if random() < UNSCHEDULED_SHARE:
                vehicle, start = int(random() * vehicle_count), int(random() * PERIOD_MINUTES)
            else:
                rotation, vehicle = divmod(number, vehicle_count)
                start = (rotation + vehicle) % slot_count * slot_minutes + int(
                    random() * slot_minutes
                )
            hours = 1 + int(random() * MAX_RENTAL_HOURS)
            _, rate, _ = _get_vehicle_class(vehicle_ids, vehicle)
            yield (
                ids[number],
                user_ids[renter * USERS_PER_RENTER],
                vehicle_ids[vehicle],
                _format_timestamp(start),
                _format_timestamp(start + 60 * hours),
                location_ids[int(random() * len(location_ids))],
                location_ids[int(random() * len(location_ids))],
                f"{rate * hours}.0",
            )


def _get_vehicle_class(ids: IdSequence, number: int) -> tuple[str, int, list[str]]:
    return VEHICLE_CLASSES[ids.scramble(number) % len(VEHICLE_CLASSES)]


def _format_timestamp(minute: int) -> str:
    day, minute = divmod(minute, 24 * 60)
    return f"{RENTAL_DAYS[day]} {TIMES_OF_DAY[minute]}"


# Several times as fast as the equivalents in the random module.
def _random_integer(rng: Random, lowest: int, highest: int) -> int:
    return lowest + int(rng.random() * (highest - lowest + 1))


def _choose(rng: Random, options: Sequence[str]) -> str:
    return options[int(rng.random() * len(options))]


def _random_digits(rng: Random, count: int) -> str:
    return str(int((rng.random() + 1) * 10**count))[1:]


def _random_phone_number(rng: Random) -> str:
    extension = f"x{_random_digits(rng, _random_integer(rng, 3, 5))}" if rng.random() < 0.5 else ""
    digits = _random_digits(rng, 3), _random_digits(rng, 3), _random_digits(rng, 4)
    return _choose(rng, PHONE_NUMBERS).format(*digits, extension)


def _random_street(rng: Random) -> str:
    number = _random_digits(rng, _random_integer(rng, 3, 5))
    return f"{number} {_choose(rng, LAST_NAMES)} {_choose(rng, STREETS)}"


def _random_zip_code(rng: Random) -> str:
    return str(_random_integer(rng, 90001, 96162))
