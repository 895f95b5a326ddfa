"""stdout and stderr, and `logging` as Lambda sets it up: AWS_LAMBDA_LOG_FORMAT and AWS_LAMBDA_LOG_LEVEL decide.

What is written leaves the instance line by line, so that a call that is ended by the host has its lines in the log.
"""

import io
import json
import logging
import os
import sys
import time
import traceback

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_TEXT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"

# Of the call that runs; none during INIT.
request_id = None
_json = False


def start() -> None:
    """Makes the root logger write to stdout in the format of the environment."""
    global _json
    _json = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
    logging.Formatter.converter = time.gmtime
    handler = _Handler()
    handler.setFormatter(_JsonFormatter() if _json else logging.Formatter(_TEXT, "%Y-%m-%dT%H:%M:%S"))
    handler.addFilter(_with_request)
    root = logging.getLogger()
    root.addHandler(handler)
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    level = {"TRACE": "DEBUG"}.get(level, level)
    if level in logging.getLevelNamesMapping():
        root.setLevel(level)


def write(text: str) -> None:
    """Writes text as it is: whoever wants a line ends it."""
    sys.stdout.write(text)


def flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # A function may have put anything there.
        try:
            stream.flush()
        except Exception:
            pass


def failure(name: str, message: str, trace: list, of_request: str) -> None:
    """An exception that ends a call, or INIT."""
    if _json:
        entry = {
            "timestamp": time.strftime(_TIME, time.gmtime()),
            "level": "ERROR",
            "errorMessage": message,
            "errorType": name,
            "requestId": of_request,
            "stackTrace": trace,
        }
        write(json.dumps(entry, ensure_ascii=False) + "\n")
    else:
        title = f"[ERROR] {name}: {message}" if message else f"[ERROR] {name}"
        lines = [title, "Traceback (most recent call last):", *(line for entry in trace for line in entry.splitlines())]
        write("\n".join(lines) + "\n")


class _Handler(logging.Handler):
    # `context.log` of Lambda looks for this attribute; so do libraries that find Lambda's handler by it.
    @property
    def log_sink(self):
        return self

    def log(self, text: str) -> None:
        write(text)

    def emit(self, record) -> None:
        write(self.format(record))


def _with_request(record) -> bool:
    record.aws_request_id = request_id or ""
    record.tenant_id = None
    return True


class _JsonFormatter(logging.Formatter):
    # The attributes of a record that are not what a program added to it (`extra=`).
    _OWN = frozenset(
        "name msg args levelname levelno pathname filename module exc_info exc_text stack_info lineno funcName created msecs"
        " relativeCreated thread threadName processName process aws_request_id tenant_id _frame_type".split()
    )

    def format(self, record) -> str:
        level = logging.getLevelName(min(50, max(0, record.levelno)) // 10 * 10)
        error = record.exc_info or None
        entry = {
            "timestamp": self.formatTime(record, _TIME),
            "level": level,
            "message": record.msg if isinstance(record.msg, dict) and not record.args else record.getMessage(),
            "logger": record.name,
            "stackTrace": traceback.format_tb(error[2]) if error else None,
            "errorType": error[0].__name__ if error and error[0] else None,
            "errorMessage": str(error[1]) if error else None,
            "requestId": record.aws_request_id,
            "location": f"{record.pathname}:{record.funcName}:{record.lineno}" if error else None,
        }
        for name, value in record.__dict__.items():
            if name not in self._OWN and name not in entry:
                entry[name] = value
        shown = {name: value for name, value in entry.items() if value is not None}
        return json.dumps(shown, ensure_ascii=False, default=str) + "\n"


def _stream(descriptor: int) -> io.TextIOWrapper:
    buffer = io.BufferedWriter(io.FileIO(descriptor, "w", closefd=False))
    stream = io.TextIOWrapper(buffer, encoding="utf-8", errors="backslashreplace", line_buffering=True)
    stream.mode = "w"
    return stream


# The interpreter's own are made for a terminal: they pass on each piece of a line.
sys.stdout = sys.__stdout__ = _stream(1)
sys.stderr = sys.__stderr__ = _stream(2)
