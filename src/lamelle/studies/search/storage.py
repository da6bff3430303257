"""Where the trials of a search stand: SQLite in the study's folder, or a PostgreSQL server for many machines."""

from __future__ import annotations

import socket
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lamelle.errors import RequestError, WorkError
from lamelle.io import atomic
from lamelle.platform import FileLock, network_disk
from lamelle.results.studies import Direction

if TYPE_CHECKING:
    import optuna
    from optuna.storages import RDBStorage
    from sqlalchemy import URL

BEAT = 10
"""Seconds between two signs of life of a trial."""
GRACE = 120
"""Seconds without a sign of life after which a trial of another machine is taken for dead."""
_WAIT = 120
"""Seconds that a writer waits for others in SQLite."""


class Unreachable(WorkError):
    """The server that holds the trials does not answer."""


@dataclass(frozen=True, slots=True)
class Storage:
    """An open storage."""

    rdb: RDBStorage
    folder: Path
    """Of the study."""
    shared: bool
    """Whether other machines may work on it too."""

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold off all other processes that want to be alone; whoever dies lets go."""
        if not self.shared:
            with FileLock(self.folder / "lock"):
                yield
            return
        import sqlalchemy

        with self.rdb.engine.begin() as connection:
            key = {"key": zlib.crc32(self.folder.name.encode())}
            connection.execute(sqlalchemy.text("select pg_advisory_xact_lock(:key)"), key)
            yield

    def study(self, *, direction: Direction, facts: Mapping[str, int]) -> optuna.Study:
        """The study of this folder's name, made if it is not there.

        Args:
            direction: Which values are better.
            facts: What every process that works on it must agree on.

        Raises:
            RequestError: If it was made for something else.
        """
        import optuna

        with self.alone():
            study = optuna.create_study(
                storage=self.rdb,
                study_name=self.folder.name,
                direction=direction,
                load_if_exists=True,
            )
            for name, value in facts.items():
                if study.user_attrs.get(name, value) != value:
                    raise RequestError(f"tune.other_{name}", name=self.folder.name)
                study.set_user_attr(name, value)
        return study


def open_storage(url: str | None, folder: Path) -> Storage:
    """The storage at an address, or the SQLite file of the study.

    Raises:
        RequestError: If Optuna or a driver is missing, the kind of database is not known, or SQLite would be used over
            a network.
        Unreachable: If the server does not answer.
    """
    library()
    import sqlalchemy
    from optuna.exceptions import StorageInternalError
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    try:
        address = sqlalchemy.make_url(url or f"sqlite:///{folder.resolve() / 'trials.db'}")
    except ArgumentError as error:
        raise RequestError("tune.bad_url", given=url) from error
    shared = address.get_backend_name() == "postgresql"
    options: dict[str, object] = {"pool_pre_ping": True}
    if shared:
        address = _driver(address)
    elif address.get_backend_name() == "sqlite" and address.database:
        _here_alone(Path(address.database))
        options = {"connect_args": {"timeout": _WAIT}}
    else:
        raise RequestError("tune.kind_of_url", given=address.render_as_string(hide_password=True))
    plain = address.render_as_string(hide_password=False)
    try:
        # on one machine locks tell who is dead, and a worker that has to wait for a processor is not taken for dead
        beat, grace = (BEAT, GRACE) if shared else (None, None)
        rdb = RDBStorage(plain, options, heartbeat_interval=beat, grace_period=grace)
    except (StorageInternalError, SQLAlchemyError, OSError) as error:
        reason = str(error).splitlines()[0].replace(str(address.password), "***") if address.password else str(error)
        raise Unreachable("tune.unreachable", url=hidden(plain), reason=reason.splitlines()[0]) from error
    return Storage(rdb, folder, shared)


def hidden(word: str) -> str:
    """The same without a password, if it is the address of a storage.

    Example:
        >>> hidden("postgresql://me:secret@host/lamelle"), hidden("--jobs")
        ('postgresql://me:***@host/lamelle', '--jobs')
    """
    if "://" not in word:
        return word
    import sqlalchemy
    from sqlalchemy.exc import ArgumentError

    option, equals, address = word.rpartition("=") if word.startswith("--") else ("", "", word)
    try:
        return option + equals + sqlalchemy.make_url(address).render_as_string(hide_password=True)
    except ArgumentError:
        return word


def library() -> None:
    """Have Optuna at hand, and silent about what it means to change.

    Raises:
        RequestError: If it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise RequestError("tune.no_optuna") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


def _driver(address: URL) -> URL:
    """The address with the driver that Lamelle names, unless it names one itself."""
    if address.drivername != "postgresql":
        return address
    try:
        import psycopg as _  # noqa: F401
    except ImportError as error:
        raise RequestError("tune.no_driver") from error
    return address.set(drivername="postgresql+psycopg")


def _here_alone(file: Path) -> None:
    """SQLite's locks hold within one machine only: refuse a network disk, and another machine than the first."""
    folder = file.resolve().parent
    if not folder.is_dir():
        raise RequestError("tune.no_folder", path=folder)
    if kind := network_disk(folder):
        raise RequestError("tune.network_disk", path=folder, kind=kind)
    note, here = file.with_name(f"{file.name}.host"), socket.gethostname()
    if not note.is_file():
        atomic.write_text(note, f"{here}\n")
    if (host := note.read_text(encoding="utf-8").strip()) != here:
        raise RequestError("tune.other_host", path=file, host=host, here=here, note=note)
