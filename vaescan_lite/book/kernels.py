"""Processes of chapters, kernels and pages, forked from a server that has imported once what nearly all of them use."""

import gc
import multiprocessing.forkserver
import os
import signal
import sys
import threading
from importlib.metadata import EntryPoint
from types import ModuleType, SimpleNamespace
from unittest.mock import patch

from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

CAN_FORK = sys.platform == "linux"  # elsewhere system libraries do not bear it, and each process imports for itself
# Packages of others alone: our own modules may be edited while the server lives.
PRELOADED = "papermill ipykernel.kernelapp matplotlib.pyplot pandas scipy.signal scipy.stats sklearn.ensemble torch._dynamo"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1")
# What these packages read from the environment when they are imported: so digits do not depend on the CPUs.
READ_BY_IMPORTS = {**ONE_THREAD, "MPLBACKEND": "module://matplotlib_inline.backend_inline", "MATPLOTLIBRC": os.devnull}
READ_BY_IMPORTS["PYTHONWARNINGS"] = "ignore:resource_tracker"  # it tells of locks of workers that end with their kernel


def start_server():
    """Start the server, unless it runs; it imports while this process goes on, and ends with it."""
    if CAN_FORK:
        multiprocessing.set_forkserver_preload(PRELOADED.split())
        multiprocessing.resource_tracker.ensure_running()  # which would undo the mask
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # Ctrl-C is for this process, not for the imports
        try:
            with patch.dict(os.environ, READ_BY_IMPORTS):
                multiprocessing.forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def started(function, *arguments, environment):
    """Start a process with an environment and a session of its own that calls a function and ends with this process."""
    start_server()
    context = multiprocessing.get_context("forkserver" if CAN_FORK else "spawn")
    process = context.Process(target=_call, args=(function, arguments, environment))
    script, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")  # else the script would run there, too
    try:
        process.start()
    finally:
        sys.modules["__main__"] = script
    return process


def _call(function, arguments, environment):
    getattr(os, "setsid", lambda: None)()  # Ctrl-C reaches the process that started this one, which stops it
    os.environ.clear()
    os.environ.update(environment)
    if CAN_FORK:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # which the server holds off
        gc.freeze()  # none of what the server has imported is garbage: not looking at it saves a third of a second
        ForkedKernel.prepare()  # as long as this process has no second thread
    end_with_parent()
    try:
        function(*arguments)
    finally:
        if CAN_FORK:
            ForkedKernel.pipe.close()  # a kernel that was not needed ends


def end_with_parent():
    """Have this process, one of `multiprocessing`, end once the one that started it is gone."""
    wait = multiprocessing.parent_process().join
    threading.Thread(target=lambda: (wait(), os._exit(1)), daemon=True).start()


class ForkedKernel(LocalProvisioner):
    """Starts a kernel, the only one of this process, in a process that was forked beforehand and waits for the command."""

    @classmethod
    def prepare(cls):
        """Fork the process, and have jupyter_client take this class."""
        cls.pipe, its_end = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(target=_run_kernel, args=(its_end, cls.pipe))
        process.start()
        its_end.close()
        cls.prepared = SimpleNamespace(  # with what jupyter_client asks of a `subprocess.Popen`
            pid=process.pid, stdin=None, stdout=None, stderr=None, poll=lambda: process.exitcode, wait=process.join,
            send_signal=lambda number: os.kill(process.pid, number), kill=process.kill, terminate=process.terminate,
        )  # fmt: skip
        KernelProvisionerFactory.provisioners["forked"] = EntryPoint("forked", f"{__name__}:{cls.__name__}", "")
        os.environ[KernelProvisionerFactory.default_provisioner_name_env] = "forked"

    async def pre_launch(self, **others):
        """Let both ends meet at a name: a port that is free may be another process's by the time the kernel takes it."""
        self.parent.transport, self.parent.ip = "ipc", f"@{self.kernel_id}"
        return await super().pre_launch(**others)

    async def launch_kernel(self, cmd, *, env, cwd=None, **others):
        """Send the waiting process what a new one would get."""
        self.pipe.send((cmd, env, cwd or os.getcwd()))
        self.process, self.pid, self.pgid = self.prepared, self.prepared.pid, self.prepared.pid
        return self.connection_info


def _run_kernel(pipe, other_end):
    import matplotlib.pyplot as plt
    import pandas as pd
    from ipykernel.kernelapp import IPKernelApp

    other_end.close()
    try:
        command, environment, folder = pipe.recv()
    except EOFError:  # the chapter has ended
        return
    os.setsid()
    os.environ.update(environment)
    os.chdir(folder)
    plt.draw_all = lambda force=False: None  # figures are drawn where they are shown, not once before it
    pd.set_option("display.max_columns", 20)  # as where pandas is imported in a notebook
    IPKernelApp.launch_instance(argv=[*command[command.index("-f") :], f"--IPKernelApp.parent_handle={os.getppid()}"])
