"""One process for each contestant, asked for one thing at a time and stopped in between."""

import json
import os
import signal
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
LEFT_OUT = ("JAX_", "XLA_", "PYTHON", "KERAS_ZOO_")  # settings of the user's that would change what is measured


class WorkerError(Exception):
    """A contestant failed; the message is what it said."""


class Missing(Exception):
    """A contestant has no such feature."""


class Worker:
    """A process that runs `worker.py`, and the questions to it.

    Between questions the process is stopped by a signal, so that threads which spin while they wait take nothing
    from the contestant whose turn it is.

    Args:
        contestant: a `rows.Contestant`.
        python: the interpreter.
        log: the file that takes what the process prints.
        cache: a folder for this project's compiled programs; None switches JAX's cache on disk off.
    """

    def __init__(self, contestant, python, log, cache=None, gpu=False):
        self.log = log
        with open(log, "a") as printed:
            self.process = subprocess.Popen(
                [python, str(HERE / "worker.py"), contestant.side],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=printed,
                text=True,
                env=environment(contestant, cache, gpu),
            )
        try:
            self.versions = self.ask(do="versions")
        except WorkerError:
            self.stop()
            raise

    def ask(self, **task):
        """Sends a task and waits for the answer, a dictionary."""
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.stdin.write(json.dumps(task) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            tail = Path(self.log).read_text(errors="replace")[-2000:]
            raise WorkerError(f"the process ended with {self.process.wait()}; it printed:\n{tail}")
        self.process.send_signal(signal.SIGSTOP)
        answer = json.loads(answer)
        if "missing" in answer:
            raise Missing(answer["missing"])
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.stdin.close()
            self.process.wait(10)
        except BrokenPipeError:
            self.process.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def environment(contestant, cache, gpu):
    env = {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}
    env |= {
        "KERAS_BACKEND": contestant.backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "HF_HUB_OFFLINE": "1",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }
    if contestant.interpreter == "ours":
        env["PYTHONPATH"] = str(ROOT)
    env |= {"JAX_ENABLE_COMPILATION_CACHE": "false"} if cache is None else {"KERAS_ZOO_COMPILATION_CACHE": str(cache)}
    if not gpu:
        env |= {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    return env
