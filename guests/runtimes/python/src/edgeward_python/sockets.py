"""Sockets that speak HTTP only, so that every library which speaks it over a socket works as it is.

    http.client, urllib3, requests, botocore … ── bytes of HTTP/1.1 ──► Socket ── request ──► the host (`exchange`)
                                               ◄── bytes of HTTP/1.1 ──        ◄── response ──

`connect` connects to nothing. What is sent is kept until it is a whole request; the first `recv` after that has the host make it,
and returns the response. The connection is closed after one response, and says so. TLS is the host's: `ssl` marks a socket
as secure. Bytes that are no request, and everything else that sockets can do, raise OSError.
"""

import errno
import http
import io
import itertools
import socket
import weakref

from . import exchange, readiness

_numbers = itertools.count(readiness.FIRST)
_PORTS = {"http": 80, "https": 443, "": 0, None: 0}
_HEAD_LENGTH_MAX = 1 << 20


def install() -> None:
    socket.socket = socket.SocketType = Socket
    socket.getaddrinfo = getaddrinfo
    socket.gethostbyname = socket.gethostbyname_ex = _no_lookup
    socket.create_server = socket.socketpair = socket.fromfd = _unsupported
    socket.gethostname = lambda: "localhost"
    socket.getfqdn = lambda name="": name or "localhost"


def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
    """One address: the name itself, which the host resolves."""
    if isinstance(host, bytes):
        host = host.decode("idna")
    if isinstance(port, (str, bytes)):
        text = port.decode() if isinstance(port, bytes) else port
        port = int(text) if text.isdigit() else _PORTS.get(text)
    elif port is None:
        port = 0
    if port is None:
        raise socket.gaierror(socket.EAI_SERVICE, "Servname not supported for ai_socktype")
    if type not in (0, socket.SOCK_STREAM):
        raise socket.gaierror(socket.EAI_SOCKTYPE, "ai_socktype not supported")
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host or "localhost", port))]


def _no_lookup(name):
    raise socket.gaierror(socket.EAI_FAIL, f"python3.14 has no name lookups: the host does them when it connects to {name}")


def _unsupported(*_args, **_kwargs):
    raise OSError(errno.EOPNOTSUPP, "python3.14 has no sockets but for HTTP requests")


class Socket:
    # What `ssl` sends first where it sees no socket, but only what goes through one.
    SECURE = b"\x16\x03\x01 TLS is the host's\n"

    def __init__(self, family=socket.AF_INET, type=socket.SOCK_STREAM, proto=0, fileno=None):
        if fileno is not None or type & 0xF != socket.SOCK_STREAM & 0xF:
            _unsupported()
        self.family = socket.AF_INET if family == -1 else family
        self.type = type
        self.proto = proto
        self.secure = False
        self._number = next(_numbers)
        self._timeout = socket.getdefaulttimeout()
        self._peer = None
        self._io_refs = 0
        self._closed = False
        self._sent = bytearray()
        self._response = None
        self._close_response = lambda: None
        self._received = bytearray()
        readiness.sockets[self._number] = self

    def take(self, other):
        """Becomes the other one, which is closed."""
        self.__dict__.update(other.__dict__)
        readiness.sockets[self._number] = self
        other.detach()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self._closed:
            self.close()

    def __repr__(self):
        return f"<edgeward socket to {self._peer}{' over TLS' if self.secure else ''}>"

    def connect(self, address):
        host, port = address[:2]
        if isinstance(host, (bytes, bytearray)):
            host = host.decode()
        self._peer = (host, port)

    def connect_ex(self, address):
        self.connect(address)
        return 0

    def getpeername(self):
        if self._peer is None:
            raise OSError(errno.ENOTCONN, "Socket not connected")
        return self._peer

    def getsockname(self):
        return ("127.0.0.1", 0)

    def settimeout(self, value):
        self._timeout = value

    def gettimeout(self):
        return self._timeout

    timeout = property(gettimeout)

    def setblocking(self, flag):
        self._timeout = None if flag else 0.0

    def getblocking(self):
        return self._timeout != 0

    def setsockopt(self, *_):
        pass

    def getsockopt(self, _level, _name, length=None):
        return bytes(length) if length else 0

    def get_inheritable(self):
        return False

    def set_inheritable(self, _):
        pass

    def fileno(self):
        return self._number

    def detach(self):
        number, self._number = self._number, -1
        self._closed = True
        return number

    def shutdown(self, _how):
        pass

    # The counting of files made of a socket is that of the library.
    makefile = socket.socket.makefile
    _decref_socketios = socket.socket._decref_socketios
    close = socket.socket.close

    def _real_close(self):
        self._close_response()
        self._response = None
        self._number = -1

    bind = listen = accept = sendto = recvfrom = recvfrom_into = recvmsg = recvmsg_into = sendfile = _unsupported

    def send(self, data, _flags=0):
        data = bytes(data)
        self._check()
        if not self._sent and data.startswith(self.SECURE):
            self.secure = True
            self._sent += data[len(self.SECURE) :]
        else:
            self._sent += data
        return len(data)

    def sendall(self, data, flags=0):
        self.send(data, flags)

    def sendmsg(self, buffers, _ancillary=(), flags=0, _address=None):
        return sum(self.send(buffer, flags) for buffer in buffers)

    def recv(self, length, flags=0):
        data = self._receive(length)
        if not flags & socket.MSG_PEEK:
            del self._received[: len(data)]
        return data

    def recv_into(self, buffer, length=0, flags=0):
        view = memoryview(buffer).cast("B")
        data = self.recv(length or len(view), flags)
        view[: len(data)] = data
        return len(data)

    def readable(self):
        """Whether `recv` would return something without waiting for the caller itself."""
        return bool(self._received) or self._response is not None or _request(self._sent) is not None

    def _check(self):
        if self._number < 0:
            raise OSError(errno.EBADF, "Bad file descriptor")
        if self._peer is None:
            raise OSError(errno.ENOTCONN, "Socket not connected")

    def _receive(self, length) -> bytes:
        self._check()
        if self._timeout == 0 and not self.readable():
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        if not self._received:
            if self._response is None and self._sent:
                self._exchange()
            elif self._response is not None:
                return self._keep(self._response.read(max(length, 1 << 16)), length)
        return bytes(self._received[:length])

    def _keep(self, data, length) -> bytes:
        self._received += data
        return data[:length]

    def _exchange(self):
        request = _request(self._sent)
        if request is None:
            # The caller waits before it has sent all: it wants to be told to go on.
            if b"\r\n\r\n" in self._sent and b"100-continue" in self._sent.lower():
                self._received += b"HTTP/1.1 100 Continue\r\n\r\n"
                return
            raise OSError(errno.EPROTO, f"python3.14 has no sockets but for HTTP requests; {self._peer} was sent no whole one")
        method, target, headers, body = request
        self._sent.clear()
        authority = _authority(self._peer, self.secure)
        self._close_response()
        self._response = exchange.send(self.secure, authority, method, target, headers, body, self._timeout)
        self._close_response = weakref.finalize(self, self._response.close)
        self._received += _head(self._response)


def _authority(peer, secure: bool) -> str:
    host, port = peer
    if ":" in host:
        host = f"[{host}]"
    return host if port == (443 if secure else 80) else f"{host}:{port}"


def _request(sent: bytearray):
    """Method, target, headers and body, or None if it is not whole."""
    end = sent.find(b"\r\n\r\n")
    if end < 0:
        if len(sent) > _HEAD_LENGTH_MAX:
            raise OSError(errno.EPROTO, "python3.14 has no sockets but for HTTP requests")
        return None
    first, *lines = bytes(sent[:end]).split(b"\r\n")
    words = first.decode("latin-1").split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise OSError(errno.EPROTO, "python3.14 has no sockets but for HTTP/1.1 requests")
    method, target, _ = words
    if method == "CONNECT" or not target.startswith(("/", "*")):
        raise OSError(errno.EOPNOTSUPP, "python3.14 has no HTTP proxies: the host connects to the server itself")
    headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    known = {name.lower(): value for name, value in headers}
    rest = sent[end + 4 :]
    if known.get(b"transfer-encoding", b"").lower().endswith(b"chunked"):
        body = _unchunked(rest)
        if body is None:
            return None
        return method, target, [*headers, (b"content-length", str(len(body)).encode())], body
    length = int(known.get(b"content-length", b"0"))
    return (method, target, headers, bytes(rest[:length])) if len(rest) >= length else None


def _unchunked(data: bytearray):
    body, stream = bytearray(), io.BytesIO(data)
    while (line := stream.readline()).endswith(b"\n"):
        length = int(line.partition(b";")[0], 16)
        if not length:
            return bytes(body)
        chunk = stream.read(length)
        if len(chunk) < length or stream.read(2) != b"\r\n":
            return None
        body += chunk
    return None


def _head(response) -> bytes:
    try:
        reason = http.HTTPStatus(response.status).phrase
    except ValueError:
        reason = ""
    lines = [f"HTTP/1.1 {response.status} {reason}".encode()]
    for name, value in response.headers:
        # The body comes decoded, on a connection that ends with it.
        if name.lower() not in (b"connection", b"keep-alive", b"transfer-encoding"):
            lines.append(name + b": " + value)
    return b"\r\n".join([*lines, b"connection: close", b"", b""])
