"""Run a notebook in a real kernel, again if the client misses the kernel's answer.

Seldom, and only on a busy machine, the notebook client waits for a kernel that is idle, longer than its own
time limit. The cause is not proven; our guess is that it answers the kernel's widgets on the socket on which
it waits for replies, and that such a send can swallow the signal that a reply has come (as in
ipython/ipykernel#1554, on the other side).
"""

import asyncio
import copy

from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

ATTEMPTS = 3


def execute(notebook, folder, seconds: float = 120):
    """The executed copy of a notebook, run in this folder; TimeoutError or DeadKernelError after the last."""
    resources = {"metadata": {"path": str(folder)}}
    for attempt in range(ATTEMPTS):
        fresh = copy.deepcopy(notebook)
        client = NotebookClient(fresh, timeout=None, kernel_name="python3", resources=resources)
        try:
            asyncio.run(asyncio.wait_for(client.async_execute(), seconds))
            return fresh
        except (asyncio.TimeoutError, DeadKernelError):  # the second, if the wait was cut off
            if attempt == ATTEMPTS - 1:
                raise
