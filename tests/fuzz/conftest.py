"""Workers that run the library with one codec each."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


class Worker:
    """One process with one codec; :meth:`ask` it about bytes."""

    def __init__(self, codec: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.worker"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "CAPROTO_CODEC": codec},
        )
        self.codec = codec
        try:
            assert self._line() == {"codec": codec}
        except RuntimeError:
            self.close()
            raise

    def _line(self) -> Any:
        assert self.process.stdout is not None and self.process.stderr is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the {self.codec} worker ended: {self.process.stderr.read()}")
        return json.loads(line)

    def ask(self, **case: Any) -> Any:
        """What came of ``case``; fails if it was an exception that is not ours."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(case) + "\n")
        self.process.stdin.flush()
        answer = self._line()
        assert "foreign" not in answer, f"{self.codec}: {answer['foreign']}\n{answer['traceback']}"
        return answer

    def close(self) -> None:
        self.process.kill()
        self.process.wait(10)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


@pytest.fixture(scope="session")
def python_worker() -> Iterator[Worker]:
    worker = Worker("python")
    yield worker
    worker.close()


@pytest.fixture(scope="session")
def cython_worker() -> Iterator[Worker]:
    try:
        worker = Worker("cython")
    except RuntimeError as reason:
        if os.environ.get("CAPROTO_CODEC") == "cython":
            raise
        pytest.skip(f"the compiled codec can't be used here: {reason}")
    yield worker
    worker.close()


@pytest.fixture(scope="session")
def workers(python_worker: Worker, cython_worker: Worker) -> tuple[Worker, Worker]:
    return python_worker, cython_worker
