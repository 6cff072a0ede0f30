"""Verdicts of many campaigns in a database: what they were is in the bundles, this is to ask about them."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay import rules
from assay.campaign import Campaign, Result
from assay.compare import rules_of
from assay.errors import UsageError
from assay.files import canonical
from assay.history import Cell, History, Release, Variant, build
from assay.reports.common import at, faults, one_line
from assay.verdict import SEVERITY, Outcome

try:
    import sqlalchemy as sa
    from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
except ImportError:
    raise UsageError("a store needs SQLAlchemy: pip install 'assay[store]'") from None

SCHEMA = 1
DEFAULT = "sqlite:///assay-store.db"
MAX_TEXT = 500  # characters of a name or a reason
CHUNK = 5000  # rows at a time
LOCK = 0x61737361  # of writers, in PostgreSQL

Row = tuple[Variant, dict[str, str]]  # a variant, and its `outcome`, `reason` and `started`

_meta = sa.MetaData()
_store = sa.Table("store", _meta, sa.Column("schema", sa.Integer, nullable=False))
RELEASE = ("product", "vendor", "version", "build", "faults", "config", "rules", "judged")


def _named(table: str, *columns: str) -> sa.Table:
    """A table of texts that are known together by `key`, the SHA-256 of them: an index holds no long text."""
    texts = (sa.Column(name, sa.Text, nullable=False) for name in columns)
    key = sa.Column("key", sa.String(64), nullable=False, unique=True)
    return sa.Table(table, _meta, sa.Column("id", sa.Integer, primary_key=True), *texts, key)


_release = _named("release", *RELEASE)
_variant = _named("variant", "spec", "case", "variant", "target")
_campaign = sa.Table(
    "campaign",
    _meta,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("release", sa.ForeignKey("release.id"), nullable=False, index=True),
    sa.Column("created", sa.Text, nullable=False),
)
_result = sa.Table(
    "result",
    _meta,
    sa.Column("campaign", sa.ForeignKey("campaign.id"), primary_key=True),
    sa.Column("variant", sa.ForeignKey("variant.id"), primary_key=True),
    sa.Column("outcome", sa.String(14), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("started", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)


class Store:
    """A database of verdicts: SQLite or PostgreSQL, by its SQLAlchemy URL.

    Several processes may add at a time. What a product calls itself is kept as `reports.common.shown` shows
    it, because a database cannot hold every string. Raises UsageError for a database that cannot be opened,
    is of another kind, or holds another schema; no error shows the URL's password.
    """

    def __init__(self, url: str) -> None:
        try:
            made = sa.make_url(url)
            if made.drivername in ("postgresql", "postgres"):
                made = made.set(drivername="postgresql+psycopg")
            self.name = made.render_as_string(hide_password=True)
            if made.get_backend_name() not in ("sqlite", "postgresql"):
                raise UsageError(f"{self.name}: a store is SQLite or PostgreSQL")
            patience = {} if made.get_backend_name() == "sqlite" else {"connect_timeout": 10}
            self._engine = sa.create_engine(made, hide_parameters=True, connect_args=patience)
        except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
            raise UsageError(f"{_redacted(url)} is no URL of a store: {type(error).__name__}") from None
        self._lite = made.get_backend_name() == "sqlite"
        self._file = Path(made.database) if self._lite and made.database else None
        if self._lite:
            sa.event.listen(self._engine, "connect", _plain_sqlite)
            sa.event.listen(self._engine, "begin", _begin_sqlite)
        self._prepared = False

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()

    @contextmanager
    def _connected(self, *, writes: bool = False) -> Iterator[sa.Connection]:
        if self._file and not writes and not self._file.exists():
            raise UsageError(f"there is no store at {self.name}: assay store add makes one")
        try:
            with self._engine.connect().execution_options(writes=writes) as connection, connection.begin():
                if writes and not self._lite:
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
                self._prepare(connection, create=writes)
                yield connection
        except DBAPIError as error:
            said = one_line(error.orig, 300)
            raise UsageError(f"{self.name}: the database refused: {said}") from None
        except SQLAlchemyError as error:
            raise UsageError(f"{self.name}: {type(error).__name__}: {one_line(error, 300)}") from None

    def _prepare(self, connection: sa.Connection, *, create: bool) -> None:
        if self._prepared:
            return
        tables = set(sa.inspect(connection).get_table_names())
        if "store" not in tables:
            if tables:
                raise UsageError(f"{self.name} holds something else: give the store a database of its own")
            if not create:
                raise UsageError(f"{self.name} holds no store yet: assay store add makes one")
            _meta.create_all(connection)
            connection.execute(sa.insert(_store).values(schema=SCHEMA))
        found = connection.execute(sa.select(_store.c.schema)).scalar_one()
        if found != SCHEMA:
            raise UsageError(f"{self.name} was written by another version (schema {found}, not {SCHEMA})")
        self._prepared = "store" in tables  # a table that was made here may yet be rolled back

    # --- adding ------------------------------------------------------------------------------------------

    def add(self, campaign: Campaign) -> str:
        """Keep a campaign's verdicts as they are judged now: "added", "there already", or "judged again".

        A campaign is known by its bundle digest, a run by the time at which it began. Raises UsageError where
        evidence is not intact.
        """
        results = list(campaign.results())
        for r in results:
            if r.record and (problem := campaign.intact(r.planned, r.record)):
                name = f"{r.planned.case}/{r.planned.variant}"
                raise UsageError(f"{campaign.path}: {name}: {problem}: only intact evidence is kept")
        created = _stamp(campaign.header.get("created"))
        if not created:
            raise UsageError(f"{campaign.path}: its header does not say when it was begun")
        rows = [_row(r, created) for r in results]
        return self.keep(campaign.digest, created, _identity(campaign, results), rows)

    def keep(
        self,
        digest: str,
        created: str,
        identity: dict[str, str],
        rows: Sequence[Row],
    ) -> str:
        """`add` for what was read already: the columns of `release`, and of each variant its `result`."""
        with self._connected(writes=True) as connection:
            release = _id_of(connection, _release, identity)
            there = connection.execute(
                sa.select(_campaign.c.id, _campaign.c.release).where(_campaign.c.digest == digest)
            ).one_or_none()
            if there is not None and there.release == release:
                return "there already"
            if there is not None:
                connection.execute(sa.delete(_result).where(_result.c.campaign == there.id))
                connection.execute(sa.delete(_campaign).where(_campaign.c.id == there.id))
            values = {"digest": digest, "release": release, "created": created}
            mine = _inserted(connection, _campaign, values)
            known = _variants(connection)
            known |= {v: _id_of(connection, _variant, vars(v)) for v, _ in rows if v not in known}
            for start in range(0, len(rows), CHUNK):
                chunk = [
                    {"campaign": mine, "variant": known[variant], **facts}
                    for variant, facts in rows[start : start + CHUNK]
                ]
                connection.execute(sa.insert(_result), chunk)
            return "added" if there is None else "judged again"

    # --- asking ------------------------------------------------------------------------------------------

    def products(self) -> list[tuple[str, str]]:
        """Every product with its vendor, in the order of the alphabet."""
        wanted = sa.select(_release.c.product, _release.c.vendor).distinct().order_by("product", "vendor")
        with self._connected() as connection:
            return [(p, v) for p, v in connection.execute(wanted)]

    def history(self, product: str, vendor: str, limit: int = 20) -> History:
        """A product over its last `limit` releases; a release is as old as its first campaign."""
        first, last = sa.func.min(_campaign.c.created), sa.func.max(_campaign.c.created)
        columns = (_release.c[name] for name in ("id", *RELEASE[2:]))
        ordered = (
            sa.select(*columns, first, last, sa.func.count())
            .join(_campaign)
            .where(_release.c.product == product, _release.c.vendor == vendor)
            .group_by(_release.c.id)
            .order_by(first.desc(), _release.c.id.desc())
            .limit(limit)
        )
        with self._connected() as connection:
            releases = [Release(*row) for row in reversed(connection.execute(ordered).all())]
            wanted = (
                sa.select(
                    _campaign.c.release,
                    _result.c.variant,
                    _result.c.outcome,
                    # a campaign that was continued later holds runs of which there is a record already
                    sa.func.count(_result.c.started.distinct()),
                    sa.func.max(_result.c.started),
                    sa.func.max(_result.c.reason),
                )
                .join(_campaign, _campaign.c.id == _result.c.campaign)
                .where(_campaign.c.release.in_([r.id for r in releases]))
                .group_by(_campaign.c.release, _result.c.variant, _result.c.outcome)
            )
            counted = connection.execute(wanted).all()
            names = {number: variant for variant, number in _variants(connection).items()}
        groups: dict[tuple[Variant, int], list[tuple[Outcome, int, str, str]]] = {}
        for release, variant, outcome, number, last, reason in counted:
            groups.setdefault((names[variant], release), []).append((Outcome(outcome), number, last, reason))
        cells = {}
        for where, group in groups.items():
            group.sort(key=lambda one: SEVERITY.index(one[0]))
            numbers = {outcome: number for outcome, number, _, _ in group}
            cells[where] = Cell(numbers, max(last for _, _, last, _ in group), group[0][3])
        return build(product, vendor, releases, cells)


def from_environment(url: str | None) -> str:
    """The URL that was given, else that of ASSAY_STORE (a password does not belong on a command line)."""
    return url or os.environ.get("ASSAY_STORE") or DEFAULT


def _redacted(url: str) -> str:
    return one_line(url, 20) if "@" not in url else f"{url.partition(':')[0][:20]}://...@..."


def _plain_sqlite(connection: Any, _record: Any) -> None:
    # sqlite3 begins transactions late and on its own; SQLAlchemy's documentation of pysqlite says to do this
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA busy_timeout = 60000")


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _id_of(connection: sa.Connection, table: sa.Table, values: dict[str, str]) -> int:
    """The id of a row with these values, which is put there where it is not."""
    key = hashlib.sha256(canonical(values)).hexdigest()
    found = connection.execute(sa.select(table.c.id).where(table.c.key == key)).scalar_one_or_none()
    if found is None:
        found = _inserted(connection, table, {**values, "key": key})
    return int(found)


def _inserted(connection: sa.Connection, table: sa.Table, values: dict[str, Any]) -> int:
    made = connection.execute(sa.insert(table).returning(table.c.id), values)
    return int(made.scalar_one())


def _variants(connection: sa.Connection) -> dict[Variant, int]:
    columns = (_variant.c[name] for name in ("spec", "case", "variant", "target", "id"))
    return {Variant(*names): number for *names, number in connection.execute(sa.select(*columns))}


def _stamp(found: object, otherwise: str = "") -> str:
    """A time of a record or a header in UTC to the millisecond, so that times sort as texts do."""
    try:
        read = datetime.fromisoformat(str(found)[:40])
        read = read if read.tzinfo else read.replace(tzinfo=UTC)
        return read.astimezone(UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError):
        return otherwise


def _text(found: object, limit: int = MAX_TEXT) -> str:
    return one_line("" if found is None else found, limit)


def _identity(campaign: Campaign, results: Sequence[Result]) -> dict[str, str]:
    profile = at(campaign.header, "profile") or {}
    rest = {k: v for k, v in profile.items() if k != "product"} if isinstance(profile, dict) else {}
    named = {key: _text(at(profile, "product", "name" if key == "product" else key)) for key in NAMES}
    return {
        **named,
        "product": named["product"] or "unnamed product",
        "faults": _text(", ".join(sorted(faults(campaign, results)))),
        "config": hashlib.sha256(canonical(rest)).hexdigest(),
        "rules": _text(rules_of(campaign)),
        "judged": rules.current()["digest"],
    }


NAMES = ("product", "vendor", "version", "build")


def _row(result: Result, created: str) -> Row:
    planned, record = result.planned, result.record
    variant = Variant(*(_text(n, 200) for n in (planned.spec, planned.case, planned.variant, planned.target)))
    return variant, {
        "outcome": result.verdict.outcome.value,
        "reason": _text(result.verdict.reason),
        "started": _stamp(record.started, created) if record else created,
    }
