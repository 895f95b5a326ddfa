"""Runs a handler that was written for AWS Lambda: CPython in a component.

`Code.init` loads the function's code once, at deployment, and the host keeps the memory of the instance as the state in
which each new one begins. `Handler.handle` is one call in such an instance, which may serve many.

    init:   handler's name ─ load ─► the function          the user's modules run here
    handle: event bytes ─ call ─► the function ─ reply ─► reply bytes, or an error record

| file | knows |
|-|-|
| `load` | how a handler's name leads to a function, and what can be wrong with it |
| `call`, `context` | one call, and the object that tells the function about it |
| `reply` | what a function may return, as JSON |
| `errors` | exceptions as Lambda reports them |
| `logs` | stdout, and `logging` as Lambda sets it up |
| `fresh` | what must differ between instances that begin in the same state |
| `rehearsal` | calls of nobody's, made while the Runtime is built |
| `files` | what a write says that finds no space |
| `exchange` | one HTTP request, made by the host |
| `sockets`, `readiness` | sockets that speak HTTP, so that libraries need not know |
| `missing` | what there is not, and how to say so |

Names, texts and orders are those of AWS's own runtime (awslambdaric 4.2), which is the authority for each of them.
Nothing here may be imported after the build: these files exist in the component's memory only. `library/` is what replaces
files of the standard library.
"""

import sys

# The library's own files may not stand in the way of those that replace them.
sys.path.remove("/python")
sys.path.append("/python")

# What follows imports what these change.
from . import files, readiness  # noqa: E402  # isort: skip

files.install()
readiness.install()

from wit_world import exports  # noqa: E402

from . import call, load, missing, rehearsal, sockets  # noqa: E402

sockets.install()
missing.install()

import ssl  # noqa: E402, F401


class Code(exports.Code):
    def init(self, handler: str) -> None:
        load.init(handler)


class Handler(exports.Handler):
    def handle(self, event: bytes, context: exports.handler.Context) -> bytes:
        return call.handle(event, context)


rehearsal.rehearse(Handler(), exports.handler.Context)
