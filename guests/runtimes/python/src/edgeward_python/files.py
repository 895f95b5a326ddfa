"""Files that are written to, and what they say when there is no space left.

The C library of WASI 0.2 has one error for all that can be wrong with writing to a file, EIO: what the host says in detail is
lost. In `/tmp`, which is all that can be written to, it means ENOSPC.
"""

import _io
import builtins
import errno
import io
import os

_open = _io.open
_write = os.write

# What can be written, in each way to say it; anything else is the interpreter's to judge.
_MODES = {kind + more for kind in ("w", "a", "x") for more in ("", "+")} | {"r+"}


def install() -> None:
    _io.open = io.open = builtins.open = open
    os.write = write


class _File(_io.FileIO):
    """A file as the interpreter has it."""

    def write(self, data, /):
        try:
            return super().write(data)
        except OSError as error:
            raise _told(error) from None


def write(fd, data, /):
    try:
        return _write(fd, data)
    except OSError as error:
        # The log is no file.
        raise (error if fd in (1, 2) else _told(error)) from None


def open(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
    kind = "".join(sorted(mode.replace("b", "", 1).replace("t", "", 1), key="rwax+".find)) if isinstance(mode, str) else ""
    binary = "b" in mode if kind else False
    is_text = encoding is not None or errors is not None or newline is not None
    if kind not in _MODES or (binary and ("t" in mode or is_text)) or (buffering == 0 and not binary) or not isinstance(buffering, int):
        return _open(file, mode, buffering, encoding, errors, newline, closefd, opener)
    raw = _File(file, kind, closefd, opener)
    try:
        if buffering == 0:
            return raw
        size = buffering if buffering > 1 else max(min(raw._blksize, 8 << 20), io.DEFAULT_BUFFER_SIZE)
        buffered = io.BufferedRandom(raw, size) if "+" in kind else io.BufferedWriter(raw, size)
        if binary:
            return buffered
        text = io.TextIOWrapper(buffered, encoding, errors, newline, line_buffering=buffering == 1)
        text.mode = mode
        return text
    except BaseException:
        raw.close()
        raise


open.__doc__ = _open.__doc__


def _told(error):
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if error.errno == errno.EIO else error
