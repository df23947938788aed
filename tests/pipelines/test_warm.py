"""Processes of scheduled runs are forked from one that has imported what they need."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forked on Linux only")

# Starts processes as Prefect's runner does, and asks each what it is.
RUN = """
import os, signal, sys
from pathlib import Path
from multiprocessing import forkserver

def tell(queue):
    status = Path("/proc/self/status").read_text()
    threads = int(status.split("Threads:")[1].split()[0])
    queue.put((os.getppid(), threads, "torch" in sys.modules, "mlflow" in sys.modules))

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def asked(context):
    queue = context.SimpleQueue()
    process = context.Process(target=tell, args=(queue,))
    process.start()
    found = queue.get()
    process.join()
    return *found, process.exitcode

if __name__ == "__main__":
    from prefect import flow_engine
    from pipelines.warm import keep_warm
    keep_warm()
    context = flow_engine.multiprocessing.get_context("spawn")
    first = asked(context)
    print(*first)
    killed = context.Process(target=die)
    killed.start()
    killed.join()
    print(killed.exitcode)
    os.kill(first[0], signal.SIGKILL)
    os.waitid(os.P_PID, first[0], os.WEXITED | os.WNOWAIT)
    print(*asked(context))
    print(os.getpid())
"""


def test_processes_are_forked_with_what_they_need(tmp_path):
    """Each has one thread and ends by itself; a lost server is started again."""
    script = tmp_path / "run.py"
    script.write_text(RUN)
    own = os.environ | {"PREFECT_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(script)], env=own, capture_output=True, text=True, check=True
    )
    first, killed, again, runner = done.stdout.splitlines()
    assert first.split()[1:] == again.split()[1:] == ["1", "True", "False", "0"]
    assert int(killed) == -signal.SIGKILL
    servers = {first.split()[0], again.split()[0]}
    assert len(servers | {runner}) == 3
    assert done.stderr == ""


def test_prefect_starts_processes_where_it_is_replaced():
    """If this fails, Prefect starts the processes of runs in another way: see `pipelines.warm`."""
    from inspect import getsource

    from prefect.flow_engine import run_flow_in_subprocess

    assert 'multiprocessing.get_context("spawn")' in getsource(run_flow_in_subprocess)
