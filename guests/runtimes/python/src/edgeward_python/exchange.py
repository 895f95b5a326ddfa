"""One HTTP request and its response, made by the host. The host resolves the name, does TLS, and applies the egress policy.

Errors are the exceptions that sockets raise. What a response holds of the host's has to be given back in order, a child before
its parent, and Python's collector knows no order: whoever has a response closes it, by `weakref.finalize` if need be, so that
the response itself never is garbage.
"""

import errno
import socket
import sys

from componentize_py_types import Err, Ok
from wit_world.imports import outgoing_handler, types
from wit_world.imports.streams import StreamError_Closed

_METHODS = {
    "GET": types.Method_Get,
    "HEAD": types.Method_Head,
    "POST": types.Method_Post,
    "PUT": types.Method_Put,
    "DELETE": types.Method_Delete,
    "CONNECT": types.Method_Connect,
    "OPTIONS": types.Method_Options,
    "TRACE": types.Method_Trace,
    "PATCH": types.Method_Patch,
}
# Of a connection, which is the host's.
_HOP_BY_HOP = frozenset(
    b"connection expect host http2-settings keep-alive proxy-connection te trailer transfer-encoding upgrade".split()
)
_open = set()


class Response:
    """`status` and `headers` are there; `read` gives the body, bit by bit."""

    def __init__(self, incoming):
        self.status = incoming.status()
        with incoming.headers() as fields:
            self.headers = [(name.encode(), value) for name, value in fields.entries()]
        self._incoming = incoming
        self._body = incoming.consume()
        self._stream = self._body.stream()
        _open.add(self)

    def read(self, length: int) -> bytes:
        """At least one byte, or none at the end."""
        while self._stream is not None:
            try:
                if data := self._stream.blocking_read(length):
                    return data
            except Err as error:
                reason = error.value
                if not isinstance(reason, StreamError_Closed):
                    with reason.value as cause:
                        text = cause.to_debug_string()
                    self.close()
                    raise ConnectionResetError(errno.ECONNRESET, f"the response broke off: {text}") from None
                self.close()
        return b""

    def close(self) -> None:
        _open.discard(self)
        for name in ("_stream", "_body", "_incoming"):
            resource, _ = getattr(self, name), setattr(self, name, None)
            if resource is not None:
                _drop(resource)


def close_all() -> None:
    """At the end of INIT: nothing of the host's outlasts it."""
    for response in list(_open):
        response.close()


def send(secure: bool, authority: str, method: str, target: str, headers, body: bytes, timeout) -> Response:
    """`headers` are pairs of bytes; `timeout` is in seconds, or None."""
    fields = types.Fields.from_list(
        [(name.decode("latin-1"), value) for name, value in headers if name.lower() not in _HOP_BY_HOP]
    )
    request = types.OutgoingRequest(fields)
    request.set_method(_METHODS[method]() if method in _METHODS else types.Method_Other(method))
    request.set_scheme(types.Scheme_Https() if secure else types.Scheme_Http())
    request.set_authority(authority)
    request.set_path_with_query(target)
    outgoing = request.body()
    try:
        future = outgoing_handler.handle(request, _options(timeout))
    except Err as error:
        _drop(outgoing)
        raise _exception(error.value, authority) from None
    try:
        _write(outgoing, body)
        outcome = _wait(future)
    except Err as error:
        raise _exception(error.value, authority) from None
    if not isinstance(outcome, Ok):
        raise _exception(outcome.value, authority)
    return Response(outcome.value)


def _options(timeout):
    if timeout is None:
        return None
    options = types.RequestOptions()
    nanoseconds = max(1, int(timeout * 1e9))
    options.set_connect_timeout(nanoseconds)
    options.set_first_byte_timeout(nanoseconds)
    options.set_between_bytes_timeout(nanoseconds)
    return options


def _write(outgoing, body: bytes) -> None:
    try:
        if body:
            with outgoing.write() as stream, stream.subscribe() as writable:
                rest = memoryview(body)
                while rest:
                    if room := stream.check_write():
                        stream.write(bytes(rest[:room]))
                        rest = rest[room:]
                    else:
                        writable.block()
                stream.blocking_flush()
    except Err:
        # The server may answer without reading all; its answer, or its absence, says what is the matter.
        _drop(outgoing)
    else:
        types.OutgoingBody.finish(outgoing, None)


def _wait(future):
    with future:
        while (answer := future.get()) is None:
            with future.subscribe() as ready:
                ready.block()
    return answer.value


def _drop(resource) -> None:
    resource.__exit__(None, None, None)


def _exception(code, authority: str) -> OSError:
    name = type(code).__name__.removeprefix("ErrorCode_")
    # Imported after me, since its socket derives from ours.
    ssl = sys.modules["ssl"]
    text = f"{authority}: {name}"
    match name:
        case "DnsError" | "DestinationNotFound":
            return socket.gaierror(socket.EAI_NONAME, f"Name or service not known: {authority}")
        case "DnsTimeout":
            return socket.gaierror(socket.EAI_AGAIN, f"Temporary failure in name resolution: {authority}")
        case "ConnectionRefused" | "DestinationUnavailable":
            return ConnectionRefusedError(errno.ECONNREFUSED, f"Connection refused: {authority}")
        case "HttpRequestDenied" | "DestinationIpProhibited":
            return PermissionError(errno.EACCES, f"The function may not connect to {authority}")
        case "ConnectionTimeout" | "ConnectionReadTimeout" | "ConnectionWriteTimeout" | "HttpResponseTimeout":
            return TimeoutError("timed out")
        case "TlsCertificateError":
            return ssl.SSLCertVerificationError(1, f"certificate verify failed: {authority}")
        case "TlsProtocolError" | "TlsAlertReceived":
            return ssl.SSLError(1, text)
        case "InternalError" if code.value:
            return ConnectionError(errno.ECONNABORTED, f"{text}: {code.value}")
    return ConnectionError(errno.ECONNABORTED, text)
