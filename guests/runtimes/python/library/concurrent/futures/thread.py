"""`ThreadPoolExecutor` where there is one thread: what is submitted is done before `submit` returns.

So a program that submits work and then waits for it runs as it is, one piece after the other. One whose pieces wait for
each other does not.
"""

from . import _base

__all__ = ["BrokenThreadPool", "ThreadPoolExecutor"]


class BrokenThreadPool(_base.BrokenExecutor):
    """Raised when the initializer has failed."""


class ThreadPoolExecutor(_base.Executor):
    BROKEN = BrokenThreadPool

    def __init__(self, max_workers=None, thread_name_prefix="", initializer=None, initargs=(), **_):
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        self._max_workers = 1
        self._initialize = (lambda: initializer(*initargs)) if initializer is not None else None
        self._broken = False
        self._shutdown = False

    def submit(self, fn, /, *args, **kwargs):
        if self._broken:
            raise self.BROKEN(self._broken)
        if self._shutdown:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future = _base.Future()
        future.set_running_or_notify_cancel()
        try:
            self._prepare()
            result = fn(*args, **kwargs)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)
        return future

    def _prepare(self):
        initialize, self._initialize = self._initialize, None
        if initialize is None:
            return
        try:
            initialize()
        except BaseException as error:
            self._broken = "the initializer has failed"
            raise self.BROKEN(self._broken) from error

    def shutdown(self, wait=True, *, cancel_futures=False):
        self._shutdown = True
