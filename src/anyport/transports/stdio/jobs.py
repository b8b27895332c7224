"""Windows jobs, through ctypes: a job's processes end together, and with the handle of the job.

A process that dies without closing its handles, as on a kill, takes its jobs with it: the system closes them.
"""

from __future__ import annotations

import ctypes
from typing import Final, Protocol, cast

_KILL_ON_JOB_CLOSE: Final = 0x2000
_EXTENDED_LIMIT_INFORMATION: Final = 9
_SET_QUOTA_AND_TERMINATE: Final = 0x0100 | 0x0001


class _Limits(ctypes.Structure):
    _fields_ = (
        ("per_process_user_time", ctypes.c_int64),
        ("per_job_user_time", ctypes.c_int64),
        ("limit_flags", ctypes.c_uint32),
        ("minimum_working_set", ctypes.c_size_t),
        ("maximum_working_set", ctypes.c_size_t),
        ("active_process_limit", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("priority_class", ctypes.c_uint32),
        ("scheduling_class", ctypes.c_uint32),
    )


class ExtendedLimits(ctypes.Structure):
    """``JOBOBJECT_EXTENDED_LIMIT_INFORMATION``."""

    _fields_ = (
        ("basic", _Limits),
        ("io_counters", ctypes.c_uint64 * 6),
        ("process_memory", ctypes.c_size_t),
        ("job_memory", ctypes.c_size_t),
        ("peak_process_memory", ctypes.c_size_t),
        ("peak_job_memory", ctypes.c_size_t),
    )


class Function(Protocol):
    """A function of a library: handles are pointers, which ctypes has to be told."""

    argtypes: tuple[object, ...]
    restype: object

    def __call__(self, *arguments: object) -> int | None:
        """Call it."""
        ...


class Kernel(Protocol):
    """What of kernel32 is used here, under the names that it has there."""

    @property
    def CreateJobObjectW(self) -> Function: ...  # noqa: D102, N802 - a name of Windows
    @property
    def SetInformationJobObject(self) -> Function: ...  # noqa: D102, N802 - a name of Windows
    @property
    def OpenProcess(self) -> Function: ...  # noqa: D102, N802 - a name of Windows
    @property
    def AssignProcessToJobObject(self) -> Function: ...  # noqa: D102, N802 - a name of Windows
    @property
    def TerminateJobObject(self) -> Function: ...  # noqa: D102, N802 - a name of Windows
    @property
    def CloseHandle(self) -> Function: ...  # noqa: D102, N802 - a name of Windows


class WindowsJob:
    """A job with a process in it.

    Args:
        kernel: kernel32.
        handle: Handle of the job.
    """

    def __init__(self, kernel: Kernel, handle: int) -> None:
        self._kernel = kernel
        self._handle = handle

    def end(self) -> None:
        """End every process of the job."""
        if self._handle:
            self._kernel.TerminateJobObject(self._handle, 1)

    def close(self) -> None:
        """Give the job back, and end what is still in it."""
        handle, self._handle = self._handle, 0
        if handle:
            self._kernel.CloseHandle(handle)


def open_job(pid: int, kernel: Kernel | None = None) -> WindowsJob | None:
    """Put a process into a job of its own.

    Args:
        pid: The process.
        kernel: kernel32, where it is not the system's.

    Returns:
        The job, or ``None`` where the system refuses one.
    """
    kernel = _declared(kernel or _load())
    handle = kernel.CreateJobObjectW(None, None)
    if not handle:
        return None
    job = WindowsJob(kernel, handle)
    limits = ExtendedLimits()
    limits.basic.limit_flags = _KILL_ON_JOB_CLOSE
    set_up = kernel.SetInformationJobObject(
        handle, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
    )
    process = kernel.OpenProcess(_SET_QUOTA_AND_TERMINATE, 0, pid) if set_up else None
    if process:
        assigned = kernel.AssignProcessToJobObject(handle, process)
        kernel.CloseHandle(process)
        if assigned:
            return job
    job.close()
    return None


def _declared(kernel: Kernel) -> Kernel:
    handle, number = ctypes.c_void_p, ctypes.c_uint32
    for function, arguments, result in (
        (kernel.CreateJobObjectW, (ctypes.c_void_p, ctypes.c_wchar_p), handle),
        (kernel.SetInformationJobObject, (handle, ctypes.c_int, ctypes.c_void_p, number), ctypes.c_int),
        (kernel.OpenProcess, (number, ctypes.c_int, number), handle),
        (kernel.AssignProcessToJobObject, (handle, handle), ctypes.c_int),
        (kernel.TerminateJobObject, (handle, number), ctypes.c_int),
        (kernel.CloseHandle, (handle,), ctypes.c_int),
    ):
        function.argtypes, function.restype = arguments, result
    return kernel


def _load() -> Kernel:
    # ctypes has this attribute on Windows alone.
    return cast("Kernel", getattr(ctypes, "WinDLL")("kernel32"))  # noqa: B009 - the type checker knows it there only
