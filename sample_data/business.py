"""A car-rental business of any size, in the shape of the real data: rows that break no rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from random import Random

from contract.datasets import LOCATIONS, RENTALS, USERS, VEHICLES, Dataset

Row = tuple[str, ...]
"""A row's fields, in the contract's order of columns."""

REAL_COUNTS = {USERS: 30_000, VEHICLES: 18_180, LOCATIONS: 300, RENTALS: 20_080}
FEWEST = 10
RENTERS = 3  # one user in so many has rentals
ANYTIME = 0.02  # share of rentals that take any vehicle at any time: so a few overlap
LONGEST_RENTAL = 72  # hours


def _words(text: str) -> list[str]:
    return text.split()


BASIC = ("basic", 10, _words("Toyota Honda Nissan Chevrolet"))
PREMIUM = ("premium", 20, _words("BMW Audi Cadillac Mercedes-Benz"))
HIGH_END = ("high_end", 50, _words("Tesla Porsche Ferrari Lamborghini Bentley"))
KINDS_OF_VEHICLE = (BASIC, PREMIUM, BASIC, PREMIUM, HIGH_END)
"""Type, hourly rate and brands; each as likely as any other."""

FIRST_NAMES = _words(
    "Aaron Amanda Andrew Angela Beth Brian Carlos Christina Courtney Daniel David Elizabeth "
    "Eric Heather James Jennifer John Jose Joshua Karen Kevin Laura Lisa Mark Mary Matthew "
    "Melissa Michael Molly Nicole Patrick Rachel Robert Sarah Stephanie Thomas Tina William Zoe"
)
LAST_NAMES = _words(
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
STREETS = _words("Causeway Extension Grove Isle Knolls Loaf Parkway Radial Road Spur Street View")
CITIES = ["Anaheim", "Chula Vista", "Fontana", "Fresno", "Huntington Beach", "Long Beach"]
CITIES += ["Los Angeles", "Modesto", "Oakland", "Oceanside", "Rancho Cucamonga", "Roseville"]
CITIES += ["Sacramento", "San Diego", "San Francisco", "San Jose", "Santa Rosa", "Visalia"]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CODE_PARTS = [one + other for one in LETTERS + "0123456789" for other in LETTERS + "0123456789"]


def _days(first: date, count: int) -> list[str]:
    return [(first + timedelta(day)).isoformat() for day in range(count)]


PERIOD = 152 * 24 * 60  # minutes from the first of January to the end of May
RENTAL_DAYS = _days(date(2024, 1, 1), 152 + LONGEST_RENTAL // 24)
SIGNUP_DAYS = _days(date(2024, 1, 1), 151)
LICENSE_EXPIRY_DAYS = _days(date(2024, 6, 4), 3652)
PERMIT_EXPIRY_DAYS = ["-".join(reversed(day.split("-"))) for day in _days(date(2024, 7, 14), 901)]
CLOCK = [f"{minute // 60:02}:{minute % 60:02}:00" for minute in range(24 * 60)]


class Ids:
    """Ids of ten hexadecimal digits: each number's own, with nothing to remember.

    No two numbers share an id, for every step of the scrambling can be undone.
    """

    def __init__(self, rng: Random) -> None:
        self._offset = rng.getrandbits(40)

    def scrambled(self, number: int) -> int:
        mixed = (number * 0x9E3779B97F + self._offset) & 0xFFFFFFFFFF
        mixed ^= mixed >> 20
        return mixed * 0xBF58476D1D & 0xFFFFFFFFFF

    def __getitem__(self, number: int) -> str:
        return f"{self.scrambled(number):010x}"


class Business:
    """All rows of the four files.

    Up to the size of the real data there are as many users, vehicles and locations for a rental as
    there, though never fewer than ten of each. Above it they grow at a sixth of that ratio: a
    million rentals have 274,003 users, 166,046 vehicles and 2,740 locations.
    """

    def __init__(self, rentals: int, seed: int) -> None:
        self._seed = seed
        real = REAL_COUNTS[RENTALS]
        size = min(rentals, real) + max(rentals - real, 0) // 6
        self.counts = {each: max(REAL_COUNTS[each] * size // real, FEWEST) for each in REAL_COUNTS}
        self.counts[RENTALS] = rentals
        self._ids = {each: Ids(self.random(f"{each.name} ids")) for each in REAL_COUNTS}
        self._location_ids = self._make_location_ids()
        self._makers: dict[Dataset, Callable[[Random], Iterator[Row]]] = {
            USERS: self._users,
            VEHICLES: self._vehicles,
            LOCATIONS: self._locations,
            RENTALS: self._rentals,
        }

    def random(self, purpose: str) -> Random:
        """Random numbers of this purpose's own, the same for every run with the seed."""
        return Random(f"{self._seed} {purpose}")

    def rows(self, dataset: Dataset) -> Iterator[Row]:
        """The dataset's rows, made one by one."""
        return self._makers[dataset](self.random(dataset.name))

    def _make_location_ids(self) -> list[str]:
        count, lowest = self.counts[LOCATIONS], 1000
        while count > 9 * lowest:
            lowest *= 10
        numbers = self.random("location ids").sample(range(lowest, 10 * lowest), count)
        return [str(number) for number in numbers]

    def _users(self, rng: Random) -> Iterator[Row]:
        ids = self._ids[USERS]
        for number in range(self.counts[USERS]):
            first, last = _pick(rng, FIRST_NAMES), _pick(rng, LAST_NAMES)
            yield (
                ids[number],
                first,
                last,
                f"{first}.{last}@{_pick(rng, EMAIL_HOSTS)}".lower(),
                _phone_number(rng),
                f"{_pick(rng, LETTERS)}{_pick(rng, LETTERS)}{_digits(rng, 6)}",
                _pick(rng, LICENSE_EXPIRY_DAYS),
                _pick(rng, SIGNUP_DAYS),
                "1" if rng.random() < 0.8 else "0",
            )

    def _vehicles(self, rng: Random) -> Iterator[Row]:
        ids = self._ids[VEHICLES]
        for number in range(self.counts[VEHICLES]):
            kind, _, brands = _kind_of_vehicle(ids, number)
            names = _pick(rng, LAST_NAMES).upper(), _pick(rng, FIRST_NAMES).upper()
            year = _number(rng, 2010, 2025)
            yield (
                "1" if rng.random() < 0.9 else "0",
                f"5{_digits(rng, 6)}" if rng.random() < 0.99 else f"V{_digits(rng, 5)}",
                _pick(rng, REGISTRATIONS).format(*names),
                "FOR HIRE VEHICLE",
                _pick(rng, PERMIT_EXPIRY_DAYS),
                "".join(rng.choices(CODE_PARTS, k=4)),
                f"{year}-{_number(rng, 1, 12):02}-{_number(rng, 1, 28):02}",
                str(year),
                f"(646){_digits(rng, 3)}-{_digits(rng, 4)}",
                f"{_street(rng)} {_pick(rng, CITIES)} CA {_zip_code(rng)}".upper(),
                ids[number],
                f"04-06-2024 {_pick(rng, CLOCK)}",
                _pick(rng, brands),
                kind,
            )

    def _locations(self, rng: Random) -> Iterator[Row]:
        for location_id in self._location_ids:
            unit = _pick(rng, ("", f" Apt. {_digits(rng, 3)}", f" Suite {_digits(rng, 3)}"))
            # As in the real data, half of the latitudes end in a seventh digit, a 5, to be rounded.
            halves = _number(rng, -180_000_000, 180_000_000)
            yield (
                location_id,
                _pick(rng, COMPANIES).format(*rng.sample(LAST_NAMES, 3)),
                f"{_street(rng)}{unit}",
                _pick(rng, CITIES),
                "CA",
                _zip_code(rng),
                f"{halves / 2_000_000:.{7 if halves % 2 else 6}f}",
                f"{_number(rng, -180_000_000, 180_000_000) / 1_000_000:.6f}",
            )

    def _rentals(self, rng: Random) -> Iterator[Row]:
        random = rng.random  # and no slower call: this runs a million times
        ids, user_ids, vehicle_ids = self._ids[RENTALS], self._ids[USERS], self._ids[VEHICLES]
        locations, vehicles = self._location_ids, self.counts[VEHICLES]
        renters = -(-self.counts[USERS] // RENTERS)
        # Each of a vehicle's rentals has its own part of the period, or far too many would overlap.
        parts = -(-self.counts[RENTALS] // vehicles)
        part_length = PERIOD // parts
        for number in range(self.counts[RENTALS]):
            renter = number if number < renters else int(random() * renters)
            if random() < ANYTIME:
                vehicle, start = int(random() * vehicles), int(random() * PERIOD)
            else:
                turn, vehicle = divmod(number, vehicles)
                start = (turn + vehicle) % parts * part_length + int(random() * part_length)
            hours = 1 + int(random() * LONGEST_RENTAL)
            _, rate, _ = _kind_of_vehicle(vehicle_ids, vehicle)
            yield (
                ids[number],
                user_ids[renter * RENTERS],
                vehicle_ids[vehicle],
                _moment(start),
                _moment(start + 60 * hours),
                locations[int(random() * len(locations))],
                locations[int(random() * len(locations))],
                f"{rate * hours}.0",
            )


def _kind_of_vehicle(ids: Ids, number: int) -> tuple[str, int, list[str]]:
    return KINDS_OF_VEHICLE[ids.scrambled(number) % len(KINDS_OF_VEHICLE)]


def _moment(minute: int) -> str:
    day, minute = divmod(minute, 24 * 60)
    return f"{RENTAL_DAYS[day]} {CLOCK[minute]}"


# Several times as fast as what the random module has for it.
def _number(rng: Random, lowest: int, highest: int) -> int:
    return lowest + int(rng.random() * (highest - lowest + 1))


def _pick(rng: Random, options: Sequence[str]) -> str:
    return options[int(rng.random() * len(options))]


def _digits(rng: Random, count: int) -> str:
    return str(int((rng.random() + 1) * 10**count))[1:]


def _phone_number(rng: Random) -> str:
    extension = f"x{_digits(rng, _number(rng, 3, 5))}" if rng.random() < 0.5 else ""
    digits = _digits(rng, 3), _digits(rng, 3), _digits(rng, 4)
    return _pick(rng, PHONE_NUMBERS).format(*digits, extension)


def _street(rng: Random) -> str:
    number = _digits(rng, _number(rng, 3, 5))
    return f"{number} {_pick(rng, LAST_NAMES)} {_pick(rng, STREETS)}"


def _zip_code(rng: Random) -> str:
    return str(_number(rng, 90001, 96162))
