"""A child with all that it starts, as the system knows it: process groups, and what Windows has in their place."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from types import ModuleType

import pytest

from anyport.transports.stdio import groups, jobs
from anyport.transports.stdio.groups import PosixGroup, WindowsGroup, make_group
from anyport.transports.stdio.jobs import ExtendedLimits, WindowsJob, open_job

BREAK = 1


# --- POSIX ------------------------------------------------------------------------------------------------------------


def test_a_group_that_is_empty_is_never_signalled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """STDIO-07: its number may belong to somebody else's group by then."""
    sent: list[tuple[int, int]] = []

    def killpg(pid: int, number: int) -> None:
        sent.append((pid, number))
        if number == signal.SIGKILL:
            raise ProcessLookupError

    monkeypatch.setattr(os, "killpg", killpg)
    group = PosixGroup()
    assert group.ask() is False
    group.adopt(7)
    assert group.ask() is True
    group.kill()
    assert group.ask() is False
    group.kill()
    group.close()
    assert sent == [(7, signal.SIGTERM), (7, signal.SIGKILL)]


def test_a_group_that_may_not_be_signalled(monkeypatch: pytest.MonkeyPatch) -> None:
    def killpg(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "killpg", killpg)
    group = PosixGroup()
    group.adopt(7)
    assert group.ask() is False
    group.kill()


# --- Windows ----------------------------------------------------------------------------------------------------------


class FakeJob:
    def __init__(self) -> None:
        self.done: list[str] = []

    def end(self) -> None:
        self.done.append("end")

    def close(self) -> None:
        self.done.append("close")


@pytest.fixture(name="sent")
def record_signals(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    sent: list[tuple[int, int]] = []

    def kill(pid: int, number: int) -> None:
        sent.append((pid, number))

    monkeypatch.setattr(os, "kill", kill)
    return sent


def test_on_windows_a_child_is_asked_by_ctrl_break_and_ended_with_its_job(sent: list[tuple[int, int]]) -> None:
    """STDIO-07: the console group is asked, the job is ended, its handle given back."""
    job = FakeJob()
    adopted: list[int] = []

    def opener(pid: int) -> FakeJob:
        adopted.append(pid)
        return job

    group = WindowsGroup(opener)
    assert (group.start_new_session, group.creationflags) == (False, 0x200)
    assert group.ask() is False
    group.adopt(7)
    assert group.ask() is True
    group.kill()
    group.close()
    group.close()
    assert group.ask() is False
    assert (adopted, sent, job.done) == ([7], [(7, BREAK)], ["end", "close"])


def test_on_windows_without_a_job_the_child_is_terminated(sent: list[tuple[int, int]]) -> None:
    """Job refused, as for a process that is in one that cannot be nested."""
    group = WindowsGroup(lambda _: None)
    group.adopt(7)
    group.kill()
    group.close()
    assert sent == [(7, signal.SIGTERM)]


def test_on_windows_without_a_console_nobody_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(pid: int, number: int) -> None:
        raise OSError("the handle is invalid")

    monkeypatch.setattr(os, "kill", kill)
    group = WindowsGroup(lambda _: None)
    group.adopt(7)
    assert group.ask() is False
    group.kill()


def test_which_group_a_system_has(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(make_group(), PosixGroup)
    loaded: list[str] = []

    def load(name: str) -> ModuleType:
        loaded.append(name)
        return jobs

    monkeypatch.setattr(groups.importlib, "import_module", load)
    monkeypatch.setattr(sys, "platform", "win32")
    assert isinstance(make_group(), WindowsGroup)
    assert loaded == ["anyport.transports.stdio.jobs"]


class FakeFunction:
    """A function of a fake kernel32: keeps what it is called with, and refuses what was not declared."""

    def __init__(self, kernel: FakeKernel, name: str) -> None:
        self.argtypes: tuple[object, ...] = ("not declared",) * 9
        self.restype: object = None
        self._kernel = kernel
        self._name = name

    def __call__(self, *arguments: object) -> int | None:
        assert len(self.argtypes) == len(arguments)
        self._kernel.calls.append((self._name, *[a for a in arguments if isinstance(a, int)]))
        return self._kernel.results.get(self._name, 1)


class FakeKernel:
    """kernel32 as far as it is used; handles are larger than 32 bits."""

    def __init__(self, **results: int | None) -> None:
        self.calls: list[tuple[str | int, ...]] = []
        self.results = {"CreateJobObjectW": 2**40, "OpenProcess": 2**41, **results}
        self.CreateJobObjectW = FakeFunction(self, "CreateJobObjectW")
        self.SetInformationJobObject = FakeFunction(self, "SetInformationJobObject")
        self.OpenProcess = FakeFunction(self, "OpenProcess")
        self.AssignProcessToJobObject = FakeFunction(self, "AssignProcessToJobObject")
        self.TerminateJobObject = FakeFunction(self, "TerminateJobObject")
        self.CloseHandle = FakeFunction(self, "CloseHandle")


def test_a_job_from_its_start_to_its_end() -> None:
    """The process's handle is given back at once, the job's at the end, once."""
    kernel = FakeKernel()
    job = open_job(7, kernel)
    assert isinstance(job, WindowsJob)
    assert kernel.CreateJobObjectW.restype is kernel.OpenProcess.restype is ctypes.c_void_p
    job.end()
    job.close()
    job.close()
    job.end()
    assert kernel.calls == [
        ("CreateJobObjectW",),
        ("SetInformationJobObject", 2**40, 9, ctypes.sizeof(ExtendedLimits)),
        ("OpenProcess", 0x101, 0, 7),
        ("AssignProcessToJobObject", 2**40, 2**41),
        ("CloseHandle", 2**41),
        ("TerminateJobObject", 2**40, 1),
        ("CloseHandle", 2**40),
    ]


@pytest.mark.parametrize(
    ("refused", "closed"),
    [
        ("CreateJobObjectW", []),
        ("SetInformationJobObject", [2**40]),
        ("OpenProcess", [2**40]),
        ("AssignProcessToJobObject", [2**41, 2**40]),
    ],
)
def test_a_job_that_the_system_refuses(refused: str, closed: list[int]) -> None:
    """Whatever was opened is closed."""
    kernel = FakeKernel(**{refused: None})
    assert open_job(7, kernel) is None
    assert [call[1] for call in kernel.calls if call[0] == "CloseHandle"] == closed


def test_the_layout_of_the_limits() -> None:
    """As the documentation of Windows has it for 64 bits."""
    assert ctypes.sizeof(ctypes.c_void_p) == 8
    assert ctypes.sizeof(ExtendedLimits) == 144
    assert ExtendedLimits.basic.size == 64
    assert ExtendedLimits.io_counters.offset == 64
    assert ExtendedLimits.process_memory.offset == 112
