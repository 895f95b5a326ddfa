"""`select` for the sockets of `sockets` too, which are no descriptors of the system: they are never waited for.

Such a socket can always be written to, and read from as soon as it was sent a whole request, or has something left.
"""

import itertools
import select
import weakref

# The number of a socket of ours is this one, or greater: no descriptor's is.
FIRST = 1 << 20

# By their numbers.
sockets = weakref.WeakValueDictionary()

_system_poll, _system_select = select.poll, select.select


def install() -> None:
    """Before `selectors` is imported, which keeps what it finds."""
    select.poll = Poll
    select.select = Select()


class Poll:
    def __init__(self):
        self._system = _system_poll()
        self._ours = {}

    def register(self, file, events=select.POLLIN | select.POLLPRI | select.POLLOUT):
        number = _number(file)
        if number < FIRST:
            self._system.register(number, events)
        else:
            self._ours[number] = events

    def modify(self, file, events):
        if _number(file) in self._ours:
            self.register(file, events)
        else:
            self._system.modify(file, events)

    def unregister(self, file):
        if self._ours.pop(_number(file), None) is None:
            self._system.unregister(file)

    def poll(self, timeout=None):
        if not self._ours:
            return self._system.poll(timeout)
        found = ((number, wanted & _events(number)) for number, wanted in self._ours.items())
        return [(number, events) for number, events in found if events]


# Not a function, which would become a method of the class in `selectors` that keeps it.
class Select:
    def __call__(self, readers, writers, exceptional, timeout=None):
        if all(_number(file) < FIRST for file in itertools.chain(readers, writers)):
            return _system_select(readers, writers, exceptional, timeout)
        return [file for file in readers if _events(_number(file)) & select.POLLIN], list(writers), []


def _events(number: int) -> int:
    socket = sockets.get(number)
    return select.POLLOUT | (select.POLLIN if socket is not None and socket.readable() else 0)


def _number(file) -> int:
    return file if isinstance(file, int) else file.fileno()
