"""asyncio's event loop where there is one thread, no child process, and no socket but for HTTP requests.

A loop waits for time only. Nothing can wake it up from outside, since there is no other thread; and what a program gives to
an executor, or to `asyncio.to_thread`, is done at once, while the loop stands still.
"""

import selectors
import time

from . import events, selector_events

__all__ = ("SelectorEventLoop", "EventLoop")


class _Clock(selectors.SelectSelector):
    """Waits for time alone: what can be read from a socket is there now, or when this thread has sent more."""

    def select(self, timeout=None):
        ready = super().select(0) if self.get_map() else []
        if not ready:
            if timeout is None:
                raise RuntimeError("the event loop has nothing left to wait for, and would wait for ever")
            time.sleep(max(0, timeout))
        return ready


class _UnixSelectorEventLoop(selector_events.BaseSelectorEventLoop):
    def __init__(self, selector=None):
        super().__init__(selector or _Clock())

    # The pair of sockets by which other threads and signals would wake the loop up.
    def _make_self_pipe(self):
        pass

    def _close_self_pipe(self):
        pass

    def _write_to_self(self):
        pass

    def run_in_executor(self, executor, func, *args):
        self._check_closed()
        future = self.create_future()
        try:
            result = func(*args)
        except BaseException as error:
            if isinstance(error, (SystemExit, KeyboardInterrupt)):
                raise
            future.set_exception(error)
        else:
            future.set_result(result)
        return future

    def add_signal_handler(self, sig, callback, *args):
        raise RuntimeError("python3.14 has no signals")

    def remove_signal_handler(self, sig):
        return False


class _UnixDefaultEventLoopPolicy(events._BaseDefaultEventLoopPolicy):
    _loop_factory = _UnixSelectorEventLoop


SelectorEventLoop = _UnixSelectorEventLoop
_DefaultEventLoopPolicy = _UnixDefaultEventLoopPolicy
EventLoop = SelectorEventLoop
