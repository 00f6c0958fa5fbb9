from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.timetable import FIELDS, Cron, Timetable

BERLIN = "Europe/Berlin"
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def cron(text: str, zone: str = "UTC", **about) -> Timetable:
    return Timetable(text, None, zone, SINCE, **about)


def every(interval_s: int, **about) -> Timetable:
    return Timetable(None, interval_s, "UTC", SINCE, **about)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def following(timetable: Timetable, after: str, number: int) -> list[str]:
    """The next firings as local times."""
    moment, found = at(after), []
    for _ in range(number):
        moment = timetable.next_after(moment)
        found.append(moment.astimezone(ZoneInfo(timetable.time_zone)).isoformat(timespec="minutes"))
    return found


# the fields


@pytest.mark.parametrize(
    ("field", "text", "values"),
    [
        (0, "5", {5}),
        (0, "*/20", {0, 20, 40}),
        (0, "10-30/10,59", {10, 20, 30, 59}),
        (1, "22-2", {22, 23, 0, 1, 2}),
        (1, "*", set(range(24))),
        (2, "1-3,31", {1, 2, 3, 31}),
        (2, "*/10", {1, 11, 21, 31}),
        (3, "jan,dec", {1, 12}),
        (3, "nov-feb", {11, 12, 1, 2}),
        (4, "0-7", {0, 1, 2, 3, 4, 5, 6}),
        (4, "7", {0}),
        (4, "5-7", {5, 6, 0}),
        (4, "fri-sun", {5, 6, 0}),
        (4, "fri-mon/2", {5, 0}),
        (4, "*/2", {0, 2, 4, 6}),
    ],
)
def test_a_field_means_these_numbers(field: int, text: str, values: set[int]) -> None:
    assert FIELDS[field].values(text) == values


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * *",
        "* * * * * *",
        "@daily",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 13 *",
        "* * * mon *",
        "* * * * jan",
        "* * * * 8",
        "*/0 * * * *",
        "5/10 * * * *",
        "1-5-9 * * * *",
        "1,,2 * * * *",
        "-1 * * * *",
        "*5 * * * *",
        "1- * * * *",
        "٣ * * * *",
    ],
)
def test_what_is_no_cron_expression_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no|five fields"):
        Cron.of(text)


def test_of_two_kinds_of_days_either_is_enough_and_of_one_all_hold() -> None:
    friday_13, monday_13, friday_6 = date(2026, 2, 13), date(2026, 4, 13), date(2026, 2, 6)
    for text, days in (
        ("0 0 13 * fri", [friday_13, monday_13, friday_6]),
        ("0 0 13 * *", [friday_13, monday_13]),
        ("0 0 * * fri", [friday_13, friday_6]),
        ("0 0 */2 * fri", [friday_13]),
    ):
        assert [day for day in (friday_13, monday_13, friday_6) if Cron.of(text).has(day)] == days


# the next firing


def test_a_time_of_day_is_a_local_one() -> None:
    assert following(cron("30 7 * * mon-fri", BERLIN), "2026-03-27T06:30:00+00:00", 2) == [
        "2026-03-30T07:30+02:00",
        "2026-03-31T07:30+02:00",
    ]


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("30 2 * * *", ["2026-03-28T02:30+01:00", "2026-03-29T03:30+02:00", "2026-03-30T02:30+02:00"]),
        ("0 2 * * *", ["2026-03-28T02:00+01:00", "2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"]),
        ("0 2,3 29 3 *", ["2026-03-29T03:00+02:00", "2027-03-29T02:00+02:00", "2027-03-29T03:00+02:00"]),
        ("45 2,3 29 3 *", ["2026-03-29T03:45+02:00", "2027-03-29T02:45+02:00", "2027-03-29T03:45+02:00"]),
    ],
)
def test_a_time_that_the_clock_skips_comes_once_after_the_gap(text: str, times: list[str]) -> None:
    assert following(cron(text, BERLIN), "2026-03-28T00:00:00+01:00", 3) == times


def test_what_was_skipped_does_not_hide_what_comes_before_it() -> None:
    assert following(cron("30,10 2,3 29 3 *", BERLIN), "2026-03-29T00:00:00+01:00", 3) == [
        "2026-03-29T03:10+02:00",
        "2026-03-29T03:30+02:00",
        "2027-03-29T02:10+02:00",
    ]


def test_a_time_that_comes_twice_counts_the_first_time_only() -> None:
    assert following(cron("30 2 * * *", BERLIN), "2026-10-24T12:00:00+02:00", 2) == [
        "2026-10-25T02:30+02:00",
        "2026-10-26T02:30+01:00",
    ]
    assert following(cron("*/30 1-3 25 10 *", BERLIN), "2026-10-25T01:00:00+02:00", 5) == [
        "2026-10-25T01:30+02:00",
        "2026-10-25T02:00+02:00",
        "2026-10-25T02:30+02:00",
        "2026-10-25T03:00+01:00",
        "2026-10-25T03:30+01:00",
    ]


def test_a_day_that_is_skipped_comes_on_the_next_one() -> None:
    assert following(cron("0 8,20 * 12 *", "Pacific/Apia"), "2011-12-29T00:00:00-10:00", 5) == [
        "2011-12-29T08:00-10:00",
        "2011-12-29T20:00-10:00",
        "2011-12-31T08:00+14:00",
        "2011-12-31T20:00+14:00",
        "2012-12-01T08:00+14:00",
    ]


def test_february_29_comes_however_far_away_and_february_30_never() -> None:
    assert following(cron("0 0 29 2 *"), "2096-03-01T00:00:00+00:00", 1) == ["2104-02-29T00:00+00:00"]
    assert cron("0 0 30 2 *").next_after(SINCE) is None


def test_an_interval_counts_from_when_it_was_asked_for_or_from_its_start() -> None:
    assert every(90).next_after(SINCE) == SINCE + timedelta(seconds=90)
    assert every(90).next_after(SINCE + timedelta(seconds=90)) == SINCE + timedelta(seconds=180)
    start = SINCE + timedelta(seconds=40)
    assert every(90, starts_at=start).next_after(SINCE) == start
    assert every(90, starts_at=start).next_after(start) == start + timedelta(seconds=90)
    assert every(90, starts_at=SINCE - timedelta(seconds=100)).next_after(SINCE) == SINCE + timedelta(seconds=80)


def test_nothing_fires_before_the_start_or_after_the_end() -> None:
    noon = at("2026-01-03T12:00:00+00:00")
    assert cron("0 12 * * *", starts_at=noon).next_after(SINCE) == noon
    assert cron("0 12 * * *", ends_at=noon).next_after(noon - MINUTE) == noon
    assert cron("0 12 * * *", ends_at=noon).next_after(noon) is None
    assert every(60, ends_at=SINCE + timedelta(seconds=59)).next_after(SINCE) is None


# what was missed


def test_the_latest_firings_of_a_time_are_found_in_order() -> None:
    noons = [at(f"2026-01-0{day}T12:00:00+00:00") for day in (2, 3, 4)]
    daily = cron("0 12 * * *")
    assert daily.latest(noons[0], noons[2], 5) == noons
    assert daily.latest(noons[0], noons[2] + MINUTE, 2) == noons[1:]
    assert daily.latest(noons[0] + MINUTE, noons[2] - MINUTE, 5) == [noons[1]]
    assert cron("0 12 * * *", ends_at=noons[1]).latest(noons[0], noons[2], 1) == [noons[1]]
    assert every(60).latest(SINCE, SINCE + 5 * MINUTE, 2) == [SINCE + 4 * MINUTE, SINCE + 5 * MINUTE]


# by trying every minute


def _numbers(low: int, high: int) -> st.SearchStrategy[str]:
    some = st.lists(st.integers(low, high), min_size=1, max_size=3)
    stars = st.sampled_from(["*", "*/2", "*/7", "*/20"])
    return stars | some.map(lambda each: ",".join(map(str, each)))


expressions = st.tuples(_numbers(0, 59), _numbers(0, 23), _numbers(1, 31), _numbers(1, 12), _numbers(0, 7))
zones = st.sampled_from(["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kolkata"])
days_with_changes = ["2026-03-28", "2026-10-24", "2026-03-07", "2026-10-31", "2026-04-04", "2026-09-05", "2028-02-28"]


def is_meant(text: str, local: datetime) -> bool:
    """Whether a local time fits the fields, told in another way."""
    minute, hour, day, month, weekday = text.split()

    def fits(field: str, value: int, low: int = 0) -> bool:
        return any(
            (value - low) % int(part.partition("/")[2] or 1) == 0 if part.startswith("*") else int(part) == value
            for part in field.split(",")
        )

    sunday = 7 if local.isoweekday() == 7 and "*" not in weekday else -1
    of_month, of_week = fits(day, local.day, 1), fits(weekday, local.isoweekday() % 7) or fits(weekday, sunday)
    is_day = of_month and of_week if day.startswith("*") or weekday.startswith("*") else of_month or of_week
    return fits(minute, local.minute) and fits(hour, local.hour) and fits(month, local.month, 1) and is_day


def by_trying(text: str, zone: ZoneInfo, begin: datetime, minutes: int) -> list[datetime]:
    """Minute by minute of the local clock: what it skips is told by the offset before the gap."""
    found = set()
    local = begin.astimezone(zone).replace(tzinfo=None) - timedelta(days=1)
    for _ in range(minutes + 2880):
        if is_meant(text, local):
            found.add(local.replace(tzinfo=zone, fold=0).astimezone(UTC))
        local += MINUTE
    return sorted(each for each in found if begin < each <= begin + minutes * MINUTE)


@settings(max_examples=60, deadline=None)
@given(expressions, zones, st.sampled_from(days_with_changes), st.integers(0, 1439))
@example(("*", "*", "*", "*", "*"), BERLIN, "2026-03-28", 1300)
@example(("*/20", "2", "*", "*", "7"), BERLIN, "2026-03-28", 0)
def test_no_firing_is_left_out_and_none_made_up(fields: tuple[str, ...], zone: str, day: str, minute: int) -> None:
    text, begin = " ".join(fields), at(f"{day}T00:00:00+00:00") + minute * MINUTE
    expected = by_trying(text, ZoneInfo(zone), begin, 2880)
    timetable = cron(text, zone)
    assert timetable.latest(begin + MINUTE, begin + 2880 * MINUTE, 5000) == expected
    assert timetable.latest(begin + MINUTE, begin + 2880 * MINUTE, 3) == expected[-3:]
    moment = begin
    for each in expected[:40]:
        moment = timetable.next_after(moment)
        assert moment == each
    following = timetable.next_after(expected[-1] if expected else begin)
    assert following is None or following > begin + 2880 * MINUTE
