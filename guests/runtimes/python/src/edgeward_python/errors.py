"""Exceptions as Lambda reports them: a name, a message and a stack trace, in the log and in the record for the host.

A `Fault` has a name of Lambda's own. `SystemExit` and its like would end Lambda's process: they are `Runtime.ExitError`,
and the host should not use the instance again.
"""

import itertools
import os
import sys
import traceback

from componentize_py_types import Err
from wit_world.exports.handler import Error

from . import logs

_OURS = os.path.dirname(__file__) + "/"
# The frames between the host and the user's code.
_BEFORE = (_OURS, "<frozen importlib.", "/python/importlib/__init__.py")


class Fault(Exception):
    def __init__(self, name: str, message: str, trace=()):
        super().__init__(message)
        self.name = f"Runtime.{name}"
        self.trace = list(trace)


def failed(error: BaseException, request_id: str) -> Err:
    """What to raise towards the host; the log has been told."""
    if isinstance(error, Fault):
        record = Error(error.name, str(error), error.trace)
    elif isinstance(error, Exception):
        record = Error(type(error).__name__, _text(error), _trace(error))
    else:
        call = f"RequestId: {request_id} " if request_id else ""
        return Err(Error("Runtime.ExitError", f"{call}Error: Runtime exited {_exit(error)}", []))
    logs.failure(record.error_type, record.error_message, record.stack_trace, request_id)
    return Err(record)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as other:
        return f"<the exception's __str__ raised {type(other).__name__}>"


def _trace(error: BaseException) -> list:
    frames = traceback.extract_tb(error.__traceback__)
    users = itertools.dropwhile(lambda frame: frame.filename.startswith(_BEFORE), frames)
    shown = [frame for frame in users if not frame.filename.startswith(_OURS)]
    return traceback.format_list([(frame.filename, frame.lineno, frame.name, frame.line) for frame in shown])


def _exit(error: BaseException) -> str:
    """How a process would have ended, in the words of its parent."""
    code = 1
    if not isinstance(error, SystemExit):
        sys.stderr.write("".join(traceback.format_exception_only(error)))
    elif error.code is None or isinstance(error.code, int):
        code = (error.code or 0) & 0xFF
    else:
        sys.stderr.write(f"{error.code}\n")
    return f"with error: exit status {code}" if code else "without providing a reason"
