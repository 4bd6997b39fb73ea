"""Processes that train one network together, by accelerate: each sees its share of a batch, all take the same step.

Gradients are averaged in one flat all-reduce after each backward pass, not by a wrapper around the network: it has a
few million numbers, rollouts call it many times before they go backward, and its names stay those of saved folders.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, NoReturn, Protocol

from simvid.errors import MissingExtraError, UsageError
from simvid.refining.deep import Tensor, torch


class Processes(Protocol):
    """What a trainer asks of its company."""

    index: int
    count: int
    device: Any

    def mean(self, value: Tensor) -> Tensor:
        """The mean over all processes of a tensor without gradients, the same in each."""
        ...

    def average_gradients(self, net: Any) -> None:
        """Give each parameter the mean of its gradients."""
        ...

    def wait(self) -> None:
        """Until all are here."""
        ...


class Alone:
    """One process: nothing to share, and nothing changed."""

    index, count = 0, 1

    def __init__(self) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def mean(self, value: Tensor) -> Tensor:
        """As it is."""
        return value

    def average_gradients(self, net: Any) -> None:
        """As they are."""

    def wait(self) -> None:
        """For nobody."""


class Together:
    """Some processes, one device each; CPUs talk through gloo.

    Raises:
        MissingExtraError: accelerate is not installed.
    """

    def __init__(self) -> None:
        if find_spec("accelerate") is None:
            raise MissingExtraError("accelerate", "train", "training in more than one process")
        from accelerate import Accelerator

        self._all: Any = Accelerator(cpu=not torch.cuda.is_available())
        self.index, self.count = int(self._all.process_index), int(self._all.num_processes)
        self.device = self._all.device

    def mean(self, value: Tensor) -> Tensor:
        """By an all-reduce."""
        return self._all.reduce(value.detach().clone(), reduction="mean")

    def average_gradients(self, net: Any) -> None:
        """All of them in one tensor."""
        owners = [p for p in net.parameters() if p.requires_grad]
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in owners]
        whole = self.mean(torch.cat([part.reshape(-1) for part in parts]))
        for p, part in zip(owners, whole.split([p.numel() for p in owners]), strict=True):
            p.grad = part.view_as(p)

    def wait(self) -> None:
        """At a barrier."""
        self._all.wait_for_everyone()


def company() -> Processes:
    """The processes that torchrun or ``accelerate launch`` started; alone without them."""
    return Together() if int(os.environ.get("WORLD_SIZE", "1")) > 1 else Alone()


def is_first() -> bool:
    """Whether this process speaks for all."""
    return int(os.environ.get("RANK", "0")) == 0


def check_share(batch: int, processes: int) -> None:
    """Each process takes as many clips.

    Raises:
        UsageError: the batch cannot be divided.
    """
    if batch % processes:
        raise UsageError(f"batch: expected a multiple of the {processes} processes that share it, got {batch}")


def launch(count: int, arguments: Sequence[str]) -> NoReturn:
    """Become torch's launcher, which runs ``simvid ARGUMENTS`` in so many processes on this machine and ends them.

    Raises:
        MissingExtraError: accelerate is not installed.
    """
    if find_spec("accelerate") is None:
        raise MissingExtraError("accelerate", "train", "training in more than one process")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count),
               "-m", "simvid.cli", *arguments]  # fmt: skip
    sys.stdout.flush()
    os.execve(sys.executable, command, {"OMP_NUM_THREADS": "1", **os.environ})
