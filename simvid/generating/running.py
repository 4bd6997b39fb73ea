"""Running a job: what is left to do goes to workers, what ends is recorded, what dies is tried again or given up."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from simvid.errors import JobError
from simvid.generating.job_folder import FailedRecord, JobFolder, MadeRecord
from simvid.generating.pool import Ended, Task
from simvid.generating.worker import Plain

ATTEMPTS = {"died": 3, "timeout": 2}
"""How often a clip is tried whose worker dies, or that takes too long, before a run gives it up."""
HOPELESS = 6
"""A run whose first workers die so often, and do nothing else, stops instead of giving up clip after clip."""
SPACE_WAIT_S = 5.0
"""How often a job that waits for room on the disk looks again [s]."""
ENCODED = " encoded"
"""What the names of tasks end in that encode a clip."""
Why: TypeAlias = Literal["error", "timeout", "died"]


class Executor(Protocol):
    """Does tasks: processes of this machine, or a cluster."""

    def run(self, tasks: Iterator[Task]) -> Iterator[Ended]:
        """Take tasks as workers are free, give results as they come; ends when none is left and none is under way."""
        ...


@dataclass(frozen=True)
class Progress:
    """How a run stands.

    Attributes:
        wanted: clips of this run's share.
        there: whole before it began.
        made, failed: so far in this run.
        elapsed_s: since it began [s].
        free_bytes: room on the disk.
        waiting: it waits for room.
        spent_s: time of workers on clips [s].
        encoded: clips that are encoded for the job's data set.
    """

    wanted: int
    there: int
    made: int
    failed: int
    elapsed_s: float
    free_bytes: int
    waiting: bool = False
    spent_s: float = 0.0
    encoded: int = 0

    @property
    def left(self) -> int:
        """Clips that are still to be made."""
        return self.wanted - self.there - self.made - self.failed

    @property
    def per_hour(self) -> float:
        """Clips made per hour in this run; 0 before the first."""
        return 3600 * self.made / self.elapsed_s if self.made and self.elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Time left at this rate [s]; None before the first clip."""
        done = self.made + self.failed
        return self.elapsed_s / done * self.left if done else None


Told: TypeAlias = Callable[[Progress, MadeRecord | FailedRecord | None], None]


@dataclass(eq=False)
class Encoding:
    """Clips on their way into the data set of a job: each is encoded as soon as it is made, beside the others.

    They go before clips that are not begun, so no more of them wait than clips are made at a time.

    Attributes:
        making: how many clips may be made at a time, so that a worker is left for these; 0 leaves it to the executor.
        done: how many are encoded.
    """

    making: int
    done: int = 0
    _todo: deque[Task] = field(default_factory=deque)

    def add(self, record: MadeRecord) -> None:
        """Take a clip that is made."""
        self._todo.append(Task(f"{record.name}{ENCODED}", {"encode": record.clip}))

    def again(self, task: Task) -> None:
        """Take one whose worker died."""
        self._todo.append(task)

    def next(self) -> Task | None:
        """The next one to be encoded, if there is one."""
        return self._todo.popleft() if self._todo else None

    def __len__(self) -> int:
        return len(self._todo)


@dataclass(eq=False)
class Run:
    """One run of a job, on its own or as a shard.

    Attributes:
        folder: of the job.
        tasks: all of this run's share, in order.
        min_free_bytes: no clip is begun with less room than this on the disk.
        patience_s: a run that has waited for room so long gives up.
        retry_failed: try those again that were given up for an error.
        told: how it goes on: after each clip, and while it waits.
        encoding: where clips go that are made; None leaves them.
    """

    folder: JobFolder
    tasks: Sequence[Task]
    min_free_bytes: int = 0
    patience_s: float = 600.0
    retry_failed: bool = False
    told: Told = lambda *_: None
    encoding: Encoding | None = None
    made: list[MadeRecord] = field(default_factory=list)
    failed: list[FailedRecord] = field(default_factory=list)
    _attempts: dict[str, int] = field(default_factory=dict)
    _todo: deque[Task] = field(default_factory=deque)
    _under_way: int = 0
    _there: int = 0
    _deaths: int = 0
    _started: float = 0.0
    _stopped: str = ""

    def __call__(self, executor: Executor) -> Progress:
        """Run until nothing is left.

        Raises:
            JobError: the disk is full, or the folder cannot be written to; what is whole is kept.
        """
        known = set(self.folder.made())
        if not self.retry_failed:
            known |= {name for name, record in self.folder.failed().items() if record.why == "error"}
        self._todo = deque(task for task in self.tasks if task.name not in known)
        self._there = len(self.tasks) - len(self._todo)
        self._started = time.monotonic()
        if self.encoding is not None:
            names = {task.name for task in self.tasks}
            for record in self.folder.made().values():
                if record.name in names:
                    self.encoding.add(record)
        self.told(self.progress(), None)
        while self._todo or self.encoding:
            self._wait_for_room()
            for ended in executor.run(_Asking(self._next)):
                self._keep(ended)
            if self._stopped:
                raise JobError(f"{self._stopped}\nWhat is whole is kept; run it again to go on")
        return self.progress()

    def progress(self, *, waiting: bool = False) -> Progress:
        """How it stands."""
        spent = sum(r.wall_s for r in self.made) + sum(r.wall_s for r in self.failed)
        return Progress(
            len(self.tasks), self._there, len(self.made), len(self.failed), time.monotonic() - self._started,
            self.folder.free_bytes(), waiting, spent, 0 if self.encoding is None else self.encoding.done,
        )  # fmt: skip

    def _next(self) -> Task | None:
        """The next task, unless there is none, too little room, or no sense in going on."""
        if self._stopped or self.folder.free_bytes() < self.min_free_bytes:
            return None
        if self.encoding is not None:
            task = self.encoding.next()
            if task is not None or 0 < self.encoding.making <= self._under_way:
                return task
        if not self._todo:
            return None
        self._under_way += 1
        return self._todo.popleft()

    def _wait_for_room(self) -> None:
        since = time.monotonic()
        while (free := self.folder.free_bytes()) < self.min_free_bytes:
            if time.monotonic() - since > self.patience_s:
                raise JobError(
                    f"{self.folder.out}: {free / 1e9:.2f} GB free, less than --min-free "
                    f"{self.min_free_bytes / 1e9:g}, for {self.patience_s:.0f} s; free some space and run it again"
                )
            self.told(self.progress(waiting=True), None)
            time.sleep(min(SPACE_WAIT_S, self.patience_s))

    def _keep(self, ended: Ended) -> None:
        name = ended.task.name
        if self.encoding is not None and "encode" in ended.task.values:
            self._keep_encoded(ended, self.encoding)
            return
        self._under_way -= 1
        attempts = self._attempts[name] = self._attempts.get(name, 0) + 1
        outcome = ended.outcome
        if outcome is None:
            why: Why = "timeout" if ended.timed_out else "died"
            self._deaths += why == "died"
            if self._deaths >= HOPELESS and not (self.made or self.failed):
                self._stopped = f"{self._deaths} workers died and no clip was made: {ended.reason}"
                return
            if attempts < ATTEMPTS[why]:
                self._todo.append(ended.task)
                return
            self._give_up(ended, why, ended.reason, attempts, {})
        elif outcome["state"] == "storage":
            self._stopped = outcome["reason"]
            self._todo.append(ended.task)
        elif outcome["state"] == "failed":
            self._give_up(ended, "error", outcome["reason"], attempts, outcome)
        else:
            record = MadeRecord(
                name=name, clip=outcome["clip"], input_hash=outcome["input_hash"], attempts=attempts,
                failed_checks=tuple(outcome["failed_checks"]), bytes=outcome["bytes"], wall_s=ended.wall_s,
                cpu_s=ended.cpu_s, memory_mb=ended.memory_mb,
            )  # fmt: skip
            self.folder.record(record)
            self.made.append(record)
            if self.encoding is not None:
                self.encoding.add(record)
            self.told(self.progress(), record)

    def _keep_encoded(self, ended: Ended, encoding: Encoding) -> None:
        """The clip is whole whatever came of it, so what cannot be encoded ends the run, with the reason."""
        name = ended.task.name
        attempts = self._attempts[name] = self._attempts.get(name, 0) + 1
        if ended.outcome is None:
            if attempts < ATTEMPTS["timeout" if ended.timed_out else "died"]:
                encoding.again(ended.task)
            else:
                self._stopped = f"{ended.task.values['encode']} could not be encoded: {ended.reason}"
        elif ended.outcome["state"] == "encoded":
            encoding.done += 1
        else:
            self._stopped = ended.outcome["reason"]
            encoding.again(ended.task)

    def _give_up(self, ended: Ended, why: Why, reason: str, attempts: int, outcome: Plain) -> None:
        values = ended.task.values
        record = FailedRecord(
            name=ended.task.name, why=why, reason=reason, attempts=attempts, wall_s=ended.wall_s,
            sample=values.get("sample"), seed=outcome.get("seed"), sampled=outcome.get("sampled", {}),
        )  # fmt: skip
        self.folder.record(record)
        self.failed.append(record)
        self.told(self.progress(), record)


class _Asking(Iterator[Task]):
    """Asks for the next task each time, also after there was none for a while."""

    def __init__(self, ask: Callable[[], Task | None]) -> None:
        self._ask = ask

    def __next__(self) -> Task:
        task = self._ask()
        if task is None:
            raise StopIteration
        return task
