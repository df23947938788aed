"""A real PostgreSQL server for the tests, from Debian's package: a pytest plugin."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

NUMBER = itertools.count()
NEEDED = ("initdb", "pg_ctl", "postgres")


def _programs():
    """The folder of PostgreSQL's programs; None when it is not installed."""
    folders = [Path(found).parent for found in [shutil.which("initdb")] if found]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((f for f in folders if all((f / name).exists() for name in NEEDED)), None)


def _user():
    """The user that runs the server: PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    return None


@pytest.fixture(scope="session")
def postgres():
    """The URL of a new server with user and password, which is stopped after the tests."""
    with postgres_server() as url:
        yield url


def new_database(server):
    """Create a database on a server; return its URL: what other tests leave is not in it."""
    name = f"test_{next(NUMBER)}"
    engine = sa.create_engine(driven(server), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return server.removesuffix("/postgres") + f"/{name}"


def driven(url):
    """The URL with the driver that SQLAlchemy takes here."""
    return url.replace("postgresql://", "postgresql+psycopg://")


@contextmanager
def postgres_server():
    """Run a new server; yield its URL with user and password. Skips when there can be none."""
    programs, user = _programs(), _user()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    if user is None:
        pytest.skip("PostgreSQL refuses root, and there is no user postgres or nobody")
    # Not the folder of pytest, which only root can read.
    folder = Path(tempfile.mkdtemp(prefix="aedetect-postgres-"))
    if user:
        os.chown(folder, user["user"], user["group"])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    secret = folder / "password"
    secret.write_text("canary-4711\n")
    secret.chmod(0o644)

    def run(program, *words):
        command = [str(programs / program), "-D", str(folder / "data"), *words]
        done = subprocess.run(
            command, **user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off -c timezone=Asia/Kolkata"
    try:
        run(
            "initdb", "-U", "plant", "-A", "scram-sha-256", f"--pwfile={secret}", "-N", "-E", "UTF8"
        )
        run("pg_ctl", "start", "-w", "-t", "60", "-l", str(folder / "log"), "-o", options)
        yield f"postgresql://plant:canary-4711@127.0.0.1:{port}/postgres"
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            run("pg_ctl", "stop", "-w", "-m", "immediate")
        shutil.rmtree(folder)
