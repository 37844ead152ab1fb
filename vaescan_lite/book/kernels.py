"""Processes of chapters and their kernels, forked from a server that has imported once what nearly all of them use."""

import multiprocessing
import os
import sys
import threading
from contextlib import suppress
from importlib.metadata import EntryPoint
from multiprocessing import forkserver
from types import ModuleType
from unittest.mock import patch

from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

CAN_FORK = sys.platform == "linux"  # elsewhere system libraries do not bear it, and each process imports for itself
CONTEXT = multiprocessing.get_context("forkserver" if CAN_FORK else "spawn")
# Packages of others alone: our own modules may be edited while the server lives.
PRELOADED = ["papermill", "ipykernel.kernelapp", "matplotlib.pyplot", "pandas", "scipy.signal", "scipy.stats"]
PRELOADED += ["sklearn.ensemble", "sklearn.linear_model", "torch._dynamo"]
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1")
# What these packages read from the environment when they are imported: so digits do not depend on the CPUs.
READ_BY_IMPORTS = {**ONE_THREAD, "MPLBACKEND": "module://matplotlib_inline.backend_inline", "MATPLOTLIBRC": os.devnull}


def start_server():
    """Start the server, unless it runs; it imports while this process goes on, and ends with it."""
    if CAN_FORK:
        multiprocessing.set_forkserver_preload(PRELOADED)
        with patch.dict(os.environ, READ_BY_IMPORTS):
            forkserver.ensure_running()


def started(function, *arguments, environment):
    """Start a process with an environment and a session of its own that calls a function and ends with this process."""
    start_server()
    process = CONTEXT.Process(target=_call, args=(function, arguments, environment))
    with patch.dict(sys.modules, __main__=ModuleType("__main__")):  # else a script that started this would run again there
        process.start()
    return process


def _call(function, arguments, environment):
    with suppress(AttributeError):  # of Windows; Ctrl-C reaches the process that started this one, which stops it
        os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    if CAN_FORK:
        ForkedKernel.prepare()  # as long as this process has no second thread
    threading.Thread(target=_end_with_parent, daemon=True).start()
    function(*arguments)


def _end_with_parent():
    """One that is killed cannot say so."""
    multiprocessing.parent_process().join()
    os._exit(1)


class KernelProcess(multiprocessing.get_context("fork" if CAN_FORK else None).Process):
    """A process that jupyter_client can handle like one of `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def poll(self):
        """Return the exit code, or None while it runs."""
        return self.exitcode

    def wait(self):
        """Return the exit code once it has ended."""
        self.join()
        return self.exitcode

    def send_signal(self, number):
        """Send a signal."""
        os.kill(self.pid, number)


class ForkedKernel(LocalProvisioner):
    """Starts a kernel, the only one of this process, in a process that was forked beforehand and waits for the command."""

    @classmethod
    def prepare(cls):
        """Fork the process, and have jupyter_client take this class."""
        cls.pipe, its_end = multiprocessing.Pipe()
        cls.prepared = KernelProcess(target=_run_kernel, args=(its_end, cls.pipe))
        cls.prepared.start()
        its_end.close()
        KernelProvisionerFactory.provisioners["forked"] = EntryPoint("forked", f"{__name__}:{cls.__name__}", "")
        os.environ[KernelProvisionerFactory.default_provisioner_name_env] = "forked"

    async def launch_kernel(self, cmd, *, env, cwd=None, **others):
        """Send the waiting process what a new one would get."""
        self.pipe.send((cmd, env, cwd or os.getcwd()))
        self.process, self.pid, self.pgid = self.prepared, self.prepared.pid, self.prepared.pid
        return self.connection_info


def _run_kernel(pipe, other_end):
    from ipykernel.kernelapp import IPKernelApp

    other_end.close()
    try:
        command, environment, folder = pipe.recv()
    except EOFError:  # the chapter has ended
        return
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    IPKernelApp.launch_instance(argv=[*command[command.index("-f") :], f"--IPKernelApp.parent_handle={os.getppid()}"])
