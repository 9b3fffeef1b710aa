"""One recording by several processes, on one machine or more.

    torchrun --nproc-per-node 4 -m helpers record ...         # the same record as from one process
    record_distributed(network, images, out="r.safetensors")  # in a script that torchrun starts

torch.distributed is the engine. The images are divided into as many runs of whole batches as there are
processes, so every image is in the same batch as with one process: lists are equal, ranks and places
included, and sums up to the order in which the parts are added (1e-12). A process for which no batch is
left waits for the others. Process r of N keeps its own checkpoint, `FILE.rankR-of-N`; run again with the
same N, every process goes on from its own. Rank 0 takes the parts one by one and merges them. The parts
travel through the group, so machines need not share a file system.
"""

import contextlib
import datetime
import os
import re
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from helpers.errors import SelectivityError
from helpers.record.batch_size import check_batch_size
from helpers.record.interruptions import Interrupted, StopRequests
from helpers.record.recorder import record, refuse_unreadable
from helpers.record.store import Record

_PATIENCE = datetime.timedelta(days=7)  # a fast process may wait for a slow one
_store = None


def join_group() -> bool:
    """Join the processes that `torchrun` started; False if this process was started alone.

    Records travel through the processor's memory, so the group is gloo on every device.
    """
    global _store
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return False
    if not dist.is_initialized():
        _store, rank, size = next(dist.rendezvous("env://", timeout=_PATIENCE))
        dist.init_process_group("gloo", store=_store, rank=rank, world_size=size, timeout=_PATIENCE)
    return True


def first_to_end() -> bool:
    """Whether this process is the first of its group that ends before its time, so that one tells why.

    The others end because of it, or for the same reason. True in a process that was started alone.
    """
    try:
        return _store is None or _store.add("ended", 1) == 1
    except (
        RuntimeError
    ):  # the machine that keeps the store has ended: better said twice than not at all
        return True


@contextlib.contextmanager
def first_alone():
    """Rank 0 goes through the block before the others: what it downloads is there for them."""
    waits = join_group() and dist.get_rank() > 0
    if waits:
        _together(dist.barrier)
    yield
    if dist.is_initialized() and not waits:
        _together(dist.barrier)


def record_distributed(
    network, images, k=None, *, out=None, checkpoint=None, batch_size=32, device="auto",
    progress=True, **options,
) -> Record | None:  # fmt: skip
    """`record` by all processes of the group; the whole record at rank 0, None elsewhere.

    The arguments are those of `record`, equal in all processes. out: rank 0 saves the record there before
    any checkpoint is removed. Several GPUs are used in turn. The bar is of rank 0's part. Too many
    unreadable images are judged over all images. Works in a process that was started alone, too. With a
    batch size of "auto" each process finds its own, and rounding may differ from one process's.
    """
    rank, size = (dist.get_rank(), dist.get_world_size()) if join_group() else (0, 1)
    batch_size = check_batch_size(batch_size)
    if checkpoint is not None:
        checkpoint = _own_checkpoint(Path(checkpoint), rank, size)
        if size > 1:  # rank 0 may have refused to start
            _together(dist.barrier)
    mine = shard(len(images), 1 if batch_size == "auto" else batch_size, rank, size)
    part = None
    if len(mine) or rank == 0:  # rank 0 says what is wrong with an empty set
        part = record(
            network, images, k, batch_size=batch_size, device=_own_device(device), indices=mine,
            checkpoint=checkpoint, keep_checkpoint=True, progress=progress and rank == 0, **options,
        )  # fmt: skip
    whole = _gathered(part, rank, size)
    if whole is not None:
        refuse_unreadable(whole.metadata["skipped"], len(images), images.name)
        if out is not None:
            whole.save(out)
    if size > 1:
        _together(dist.barrier)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return whole


def shard(n_images: int, batch_size: int, rank: int, size: int) -> np.ndarray:
    """The image numbers of one of `size` processes: a run of whole batches, the first ones longer."""
    starts = np.array_split(np.arange(0, n_images, batch_size), size)[rank]
    if not len(starts):
        return starts
    return np.arange(starts[0], min(starts[-1] + batch_size, n_images))


def _own_checkpoint(path, rank, size):
    """This process's checkpoint; refuses to start anew beside those of another number of processes."""
    of_rank = re.compile(re.escape(path.name) + r"(?:\.rank\d+-of-(\d+))?")
    for other in sorted(path.parent.iterdir()) if rank == 0 and path.parent.is_dir() else []:
        found = of_rank.fullmatch(other.name)
        if found and int(found[1] or 1) != size:
            were = f"{found[1]} processes" if found[1] else "1 process"
            raise SelectivityError(
                f"{other}: a checkpoint of a run with {were}, now {size}; start as many again, or delete it"
            )
    return path if size == 1 else path.with_name(f"{path.name}.rank{rank}-of-{size}")


def _own_device(name):
    """A GPU of its own for every process of a machine, as far as there are."""
    if name in ("auto", "cuda") and torch.cuda.is_available() and "LOCAL_RANK" in os.environ:
        number = int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count()
        torch.cuda.set_device(number)  # batches are pinned for the current one
        return f"cuda:{number}"
    return name


def _gathered(part, rank, size):
    """All parts merged, at rank 0; one at a time, so that never more than two are in memory."""
    if rank > 0:
        _together(dist.send_object_list, [part], dst=0)
        return None
    for other in range(1, size):
        received = [None]
        _together(dist.recv_object_list, received, src=other)
        part = part if received[0] is None else part.merge(received[0])
    return part


def _together(operation, *arguments, **options):
    """Wait for the other processes. A signal is only noted: where it ends one, the connection breaks here."""
    try:
        with StopRequests() as stop:
            operation(*arguments, **options)
    except RuntimeError as error:  # the connection breaks when a process ends
        raise SelectivityError(
            f"another process of this run has ended ({str(error).splitlines()[0]}); run the same again "
            "to go on from the checkpoints"
        ) from None
    if stop.status is not None:
        raise Interrupted(
            "interrupted; run the same again to go on from the checkpoints", stop.status
        )
