"""A store of verdicts, on SQLite and on a real PostgreSQL: added once, asked over releases."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from pathlib import Path

import postgresql
import pytest
from campaigns import NULL, PRODUCT, REPLAY, RULES, SYNC, campaign
from products import ROOT
from test_reports import HOSTILE
from test_reports import make as make_with_evidence

from assay import rules
from assay.campaign import Campaign
from assay.change import Change
from assay.errors import UsageError
from assay.history import Cell, Variant, flake_bound
from assay.store import Store
from assay.verdict import Outcome

A, B, C, D = f"{REPLAY}/A", f"{REPLAY}/B", f"{NULL}/A", f"{SYNC}/A"
NAMES = PRODUCT["name"], PRODUCT["vendor"]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgresql.server() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.daemon)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that nobody has written to."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    import psycopg

    whole: str = request.getfixturevalue("server")
    name = f"t{abs(hash(request.node.nodeid))}"
    with psycopg.connect(whole, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return whole.replace("/postgres?", f"/{name}?")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store(url)
    yield opened
    opened.close()


def outcomes(found: Cell | None) -> dict[str, int]:
    return {outcome.value: number for outcome, number in found.outcomes.items()} if found else {}


def variant(name: str) -> Variant:
    case, _, letter = name.partition("/")
    return Variant("ts_33_512", case, letter, "amf")


# --- adding -----------------------------------------------------------------------------------------------


def test_added_once(store: Store, tmp_path: Path) -> None:
    one = campaign(tmp_path / "a", {A: "PASS", B: "FAIL", C: "NOT_APPLICABLE", D: "NOT_RUN"})
    assert store.add(one) == "added"
    assert store.add(one) == "there already"
    assert store.products() == [NAMES]
    found = store.history(*NAMES)
    (release,) = found.releases
    assert (release.version, release.campaigns, release.rules) == ("4.2.0", 1, "di" * 32)
    assert release.judged == rules.current()["digest"]
    assert {v: outcomes(row[0]) for v, row in found.rows.items()} == {
        variant(A): {"PASS": 1},
        variant(B): {"FAIL": 1},
        variant(C): {"NOT_APPLICABLE": 1},
        variant(D): {"NOT_RUN": 1},
    }
    cell = found.rows[variant(B)][0]
    assert cell
    assert (cell.reason, cell.last) == ("because it is FAIL", "2026-02-03T10:20:30.000+00:00")


def test_judged_again_under_other_rules(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = campaign(tmp_path / "a", {A: "PASS"})
    store.add(one)
    monkeypatch.setattr(rules, "current", lambda: {"digest": "f" * 64})
    assert store.add(one) == "judged again"
    assert store.add(one) == "there already"
    (release,) = store.history(*NAMES).releases
    assert (release.judged, release.campaigns) == ("f" * 64, 1)


def test_a_run_counts_once_where_its_campaign_was_continued(store: Store, tmp_path: Path) -> None:
    store.add(campaign(tmp_path / "a", {A: "PASS", B: "NOT_RUN"}))
    assert store.add(campaign(tmp_path / "b", {A: "PASS", B: "PASS"})) == "added"
    found = store.history(*NAMES)
    assert [c.runs for _, c in found.cells()] == [1, 1]
    assert [c.outcome for _, c in found.cells()] == [Outcome.PASS, Outcome.PASS]


def test_changed_evidence_is_not_kept(store: Store, tmp_path: Path) -> None:
    one = make_with_evidence(tmp_path / "c")
    assert store.add(one) == "added"
    (one.folder(one.plan[1]) / "capture.pcapng").write_bytes(b"other")
    with pytest.raises(UsageError, match=r"capture\.pcapng was changed: only intact evidence is kept"):
        store.add(one)


def test_several_processes_add_at_a_time(url: str, tmp_path: Path) -> None:
    """Four processes, each with every campaign, on a database that does not exist yet."""
    for n in range(3):
        campaign(tmp_path / f"c{n}", {A: "PASS", B: "FAIL"}, created=f"2026-02-0{n + 1}T00:00:00+00:00")
    script = (
        "import sys; from pathlib import Path\n"
        "from assay.campaign import Campaign; from assay.store import Store\n"
        "store = Store(sys.argv[1])\n"
        "print([store.add(Campaign.open(Path(p))) for p in sys.argv[2:]])"
    )
    paths = [str(tmp_path / f"c{n}") for n in range(3)]

    def add(_: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, url, *paths]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(add, range(4)))
    assert [d.stderr for d in done] == [""] * 4
    assert sum(d.stdout.count("'added'") for d in done) == 3
    assert sum(d.stdout.count("'there already'") for d in done) == 9
    opened = Store(url)
    (release,) = opened.history(*NAMES).releases
    assert release.campaigns == 3
    opened.close()


def test_hostile_strings(store: Store, tmp_path: Path) -> None:
    for n, text in enumerate(HOSTILE):
        name = "SURROGATE" if "\ud800" in text else text
        identity = {"name": f"{n} {name}", "vendor": name, "version": name}
        one = campaign(tmp_path / f"c{n}", {A: f"FAIL: {name}"}, product=identity)
        if name == "SURROGATE":  # UTF-8 has none: it comes as an escape in JSON
            for path in one.path.rglob("*.json"):
                path.write_bytes(path.read_bytes().replace(b"SURROGATE", b"\\ud800"))
            one = Campaign.open(one.path)
        assert store.add(one) == "added"
        assert store.add(one) == "there already"
    assert len(store.products()) == len(HOSTILE)
    for product, vendor in store.products():
        found = store.history(product, vendor)
        (cell,) = found.rows[variant(A)]
        assert cell
        for shown in (product, vendor, found.releases[0].version, cell.reason):
            assert shown
            assert len(shown) < 6000
            assert shown.isprintable()


def test_times_sort_whatever_their_zone(store: Store, tmp_path: Path) -> None:
    late = campaign(tmp_path / "a", {A: "PASS"}, created="2026-02-03T01:00:00-05:00")
    early = campaign(
        tmp_path / "b", {A: "PASS"}, created="2026-02-03T06:30:00+05:00", product={"version": "9"}
    )
    store.add(late)
    store.add(early)
    assert [r.version for r in store.history(*NAMES).releases] == ["9", "4.2.0"]
    with pytest.raises(UsageError, match="does not say when it was begun"):
        store.add(campaign(tmp_path / "c", {A: "PASS"}, created="yesterday"))


# --- what stands in the way ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:////nowhere/at/all/store.db", "there is no store at sqlite:////nowhere/at/all/store.db"),
        ("mysql://user:hidden@127.0.0.1/x", r"a store is SQLite or PostgreSQL|no URL of a store"),
        ("history.db", "'?history.db'? is no URL of a store"),
        ("oracle+none://user:hidden@127.0.0.1/x", "a store is SQLite or PostgreSQL"),
        ("postgresql://user:hidden@127.0.0.1:1/x", "the database refused"),
        ("postgresql://user:hidden@127.0.0.1:port/x", "no URL of a store"),
    ],
)
def test_errors_are_for_people_and_hide_the_password(url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as error, closing(Store(url)) as store:
        store.products()
    assert "hid" not in str(error.value)
    assert "Traceback" not in str(error.value)


def test_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE campaign (x)")
    connection.close()
    store = Store(f"sqlite:///{path}")
    for what in (store.products, lambda: store.add(campaign(tmp_path / "a", {A: "PASS"}))):
        with pytest.raises(UsageError, match="holds something else"):
            what()
    store.close()
    (tmp_path / "text.db").write_text("no database at all, and long enough to be seen as none\n" * 50)
    store = Store(f"sqlite:///{tmp_path}/text.db")
    with pytest.raises(UsageError, match="the database refused: file is not a database"):
        store.products()
    store.close()


def test_another_schema_is_refused(store: Store, url: str, tmp_path: Path) -> None:
    import sqlalchemy as sa

    store.add(campaign(tmp_path / "a", {A: "PASS"}))
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE store SET schema = 2"))
    engine.dispose()
    other = Store(url)
    with pytest.raises(UsageError, match=r"written by another version \(schema 2, not 1\)"):
        other.products()
    other.close()


# --- over time ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("runs", "percent"), [(1, 95), (3, 63), (5, 45), (10, 26), (14, 19), (20, 14), (58, 5), (59, 5)]
)
def test_flake_bound(runs: int, percent: int) -> None:
    assert round(100 * flake_bound(runs)) == percent
    assert (1 - flake_bound(runs)) ** runs == pytest.approx(0.05)


def test_runs_for_five_percent() -> None:
    """The well-known rule: 59 runs alike exclude 5 %, 58 do not."""
    assert flake_bound(59) < 0.05 < flake_bound(58)


def test_regressions_and_fixes(store: Store, tmp_path: Path) -> None:
    verdicts = [
        {A: "PASS", B: "FAIL", C: "PASS", D: "PASS"},
        {A: "PASS", B: "FAIL", C: "ERROR", D: "PASS"},
        {A: "FAIL", B: "PASS", C: "FAIL"},
    ]
    for n, one in enumerate(verdicts):
        made = campaign(
            tmp_path / f"c{n}",
            one,
            product={"version": f"4.2.{n}"},
            created=f"2026-0{n + 1}-03T10:20:30+00:00",
        )
        store.add(made)
    found = store.history(*NAMES)
    assert [r.version for r in found.releases] == ["4.2.0", "4.2.1", "4.2.2"]
    became = {v: [c.became if c else None for c in row] for v, row in found.rows.items()}
    assert became == {
        variant(A): [None, Change.UNCHANGED, Change.REGRESSED],
        variant(B): [None, Change.UNCHANGED, Change.FIXED],
        variant(C): [None, Change.UPDATED, Change.REGRESSED],  # an ERROR between says nothing of the product
        variant(D): [None, Change.UNCHANGED, None],
    }
    assert [v for v, _ in found.regressed()] == [variant(C), variant(A)]
    assert found.missing() == [variant(D)]
    assert not any(cell.other_rules for _, cell in found.cells())
    assert [r.version for r in store.history(*NAMES, limit=2).releases] == ["4.2.1", "4.2.2"]


def test_repeats(store: Store, tmp_path: Path) -> None:
    runs = [{A: "PASS", B: o, C: e, D: "INCONCLUSIVE"} for o, e in RUNS]
    for n, one in enumerate(runs):
        store.add(campaign(tmp_path / f"c{n}", one, created=f"2026-02-0{n + 1}T00:00:00+00:00"))
    (release,) = store.history(*NAMES).releases
    assert release.campaigns == 3
    rows = {v: row[0] for v, row in store.history(*NAMES).rows.items()}
    cells = {name: rows[variant(name)] for name in (A, B, C, D)}
    told = {name: (c.words, c.runs, c.outcome, c.bound) for name, c in cells.items() if c}
    assert told == {
        A: ("PASS", 3, Outcome.PASS, flake_bound(3)),
        B: ("1 FAIL, 2 PASS", 3, None, None),
        C: ("PASS", 2, Outcome.PASS, flake_bound(2)),  # an ERROR is the lab's, and no repeat
        D: ("INCONCLUSIVE", 3, Outcome.INCONCLUSIVE, flake_bound(3)),
    }
    assert [v for v, _ in store.history(*NAMES).disagreeing()] == [variant(B)]


RUNS = [("PASS", "PASS"), ("FAIL", "ERROR"), ("PASS", "PASS")]


@pytest.mark.parametrize(
    "other",
    [
        {"rules": {**RULES, "digest": "1" * 64}},
        {"profile": {"timers": {"answer_s": 9}}},
        {"faults": ("smc-null",)},
        {"product": {"build": "7"}},
    ],
    ids=["rules", "configuration", "faults", "build"],
)
def test_other_conditions_are_no_repeats(store: Store, tmp_path: Path, other: dict[str, object]) -> None:
    store.add(campaign(tmp_path / "a", {A: "PASS"}))
    made = campaign(tmp_path / "b", {A: "FAIL"}, created="2026-03-01T00:00:00+00:00", **other)  # type: ignore[arg-type]
    store.add(made)
    found = store.history(*NAMES)
    assert len(found.releases) == 2
    first, second = found.rows[variant(A)]
    assert first
    assert second
    assert (first.words, second.words) == ("PASS", "FAIL")
    if "faults" in other:  # a demonstration is shown, and compared with nothing
        assert (second.became, found.current, found.regressed()) == (None, 0, [])
    else:
        assert second.became is Change.REGRESSED
        assert second.other_rules == ("rules" in other)


def test_expiry(store: Store, tmp_path: Path) -> None:
    store.add(campaign(tmp_path / "a", {A: "PASS", B: "PASS"}, created="2026-01-01T00:00:00+00:00"))
    store.add(campaign(tmp_path / "b", {A: "PASS"}, created="2026-03-01T00:00:00+00:00"))
    found = store.history(*NAMES)
    assert [v for v, _ in found.expired(date(2026, 4, 1), 90)] == []  # 90 days old is not older than that
    assert [v for v, _ in found.expired(date(2026, 4, 2), 90)] == [variant(B)]
    assert [v for v, _ in found.expired(date(2026, 5, 31), 90)] == [variant(A), variant(B)]
