"""Being stopped in mid-recording: a request is noted at once and granted between two batches.

At any other moment some lists would hold a batch that others do not, and no checkpoint could be
written. Ctrl-C and SIGTERM are such requests; a second one, from two seconds on, ends at once.
"""

import contextlib
import multiprocessing
import signal
import sys
import threading
import time

from helpers.errors import SelectivityError

IMPATIENT = 2.0  # seconds: `torchrun` passes on a Ctrl-C that its processes have had already
DYING = 5.0  # seconds that the end of a process may take, from the first thing it lets go of


class Interrupted(KeyboardInterrupt):
    """A recording was asked to stop; the text says what is kept and how to go on.

    `status` is what a command ends with: 130 after Ctrl-C, 143 after SIGTERM. `between_batches`: whether
    everything that was kept is of the same images.
    """

    def __init__(self, text: str, status: int, between_batches: bool = True):
        super().__init__(text)
        self.status, self.between_batches = status, between_batches


class StopRequests:
    """While it is entered, Ctrl-C and SIGTERM only set `.status`, 130 or 143; None before.

    Other handlers than Python's own are left alone, and so is every thread but the main one, which
    alone receives signals.
    """

    def __init__(self):
        self.status: int | None = None
        self._handlers, self._asked = {}, 0.0

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            own = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
            for number, handler in own.items():
                if signal.getsignal(number) is handler:
                    self._handlers[number] = signal.signal(number, self._note)
        return self

    def _note(self, number, frame):
        if self.status is None:
            self.status, self._asked = 128 + number, time.monotonic()
        elif time.monotonic() - self._asked > IMPATIENT:
            for child in multiprocessing.active_children():  # they ignore milder signals
                child.kill()
            raise Interrupted("ended at once, without a last checkpoint", 128 + number, False)

    def __exit__(self, *error):
        for number, handler in self._handlers.items():
            signal.signal(number, handler)


def leave_signals_to_the_parent(worker: int) -> None:
    """For processes that decode: a terminal's Ctrl-C reaches them too, and must not end them first."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def lost_workers(checkpoint):
    """One clear line when a process that decodes images dies, of memory or of a fault in a decoder.

    Enter it last: what follows it on the way out may then rely on no report coming any more.
    """
    try:
        with _death_reported():
            yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        if not reason.startswith("DataLoader worker (pid"):
            raise
        raise SelectivityError(
            f"a process that decodes images was lost ({reason.rstrip('. ')}); {how_to_go_on(checkpoint)}"
        ) from None


@contextlib.contextmanager
def _death_reported():
    """Let PyTorch's own report of a lost process come before what its last batch gives: a broken connection.

    A process that dies closes its connections a moment before the system says that it is dead.
    """
    try:
        yield
    except (ConnectionError, EOFError):
        # The report is an error that a signal's handler raises: in this sleep, at the latest.
        time.sleep(DYING)
        raise


def how_to_go_on(checkpoint) -> str:
    """What to tell someone whose recording ended early."""
    if checkpoint is None:
        return "nothing was kept, because no checkpoint was asked for"
    return f"run the same again to go on from {checkpoint}"


def typed_in(frame) -> bool:
    """True for code of a notebook's cell or of a prompt, False for a module's or a script's."""
    return hasattr(sys, "ps1") and frame.f_globals.get("__name__") == "__main__"
