"""`ssl` where the host does TLS: constants, exceptions, and contexts that keep what they are told and use none of it.

The host verifies every certificate, with the authorities that it trusts, and chooses the versions and ciphers. So a
context that trusts more, or less, changes nothing, except that a client's certificate is refused: it could not be shown.
"""

import enum
import socket as _socket
from collections import namedtuple

OPENSSL_VERSION = "OpenSSL 3.0.0 (none: TLS is the host's)"
OPENSSL_VERSION_INFO = (3, 0, 0, 0, 0)
OPENSSL_VERSION_NUMBER = 0x30000000
HAS_SNI = HAS_ALPN = HAS_ECDH = HAS_TLSv1_2 = HAS_TLSv1_3 = HAS_NEVER_CHECK_COMMON_NAME = True
HAS_NPN = HAS_SSLv2 = HAS_SSLv3 = HAS_TLSv1 = HAS_TLSv1_1 = HAS_PSK = HAS_PHA = False
CHANNEL_BINDING_TYPES = []
PEM_HEADER = "-----BEGIN CERTIFICATE-----"
PEM_FOOTER = "-----END CERTIFICATE-----"
ALERT_DESCRIPTION_CLOSE_NOTIFY = 0

socket_error = OSError


class TLSVersion(enum.IntEnum):
    MINIMUM_SUPPORTED = -2
    SSLv3 = 768
    TLSv1 = 769
    TLSv1_1 = 770
    TLSv1_2 = 771
    TLSv1_3 = 772
    MAXIMUM_SUPPORTED = -1


class _SSLMethod(enum.IntEnum):
    PROTOCOL_TLS = PROTOCOL_SSLv23 = 2
    PROTOCOL_TLSv1 = 3
    PROTOCOL_TLSv1_1 = 4
    PROTOCOL_TLSv1_2 = 5
    PROTOCOL_TLS_CLIENT = 16
    PROTOCOL_TLS_SERVER = 17


class VerifyMode(enum.IntEnum):
    CERT_NONE = 0
    CERT_OPTIONAL = 1
    CERT_REQUIRED = 2


class VerifyFlags(enum.IntFlag):
    VERIFY_DEFAULT = 0
    VERIFY_CRL_CHECK_LEAF = 4
    VERIFY_CRL_CHECK_CHAIN = 12
    VERIFY_X509_STRICT = 32
    VERIFY_ALLOW_PROXY_CERTS = 64
    VERIFY_X509_TRUSTED_FIRST = 32768
    VERIFY_X509_PARTIAL_CHAIN = 524288


class Options(enum.IntFlag):
    OP_ALL = 0x80000050
    OP_NO_SSLv2 = 0
    OP_IGNORE_UNEXPECTED_EOF = 0x80
    OP_LEGACY_SERVER_CONNECT = 0x4
    OP_ENABLE_MIDDLEBOX_COMPAT = 0x100000
    OP_NO_COMPRESSION = 0x20000
    OP_NO_TICKET = 0x4000
    OP_NO_SSLv3 = 0x2000000
    OP_NO_TLSv1 = 0x4000000
    OP_NO_TLSv1_1 = 0x10000000
    OP_NO_TLSv1_2 = 0x8000000
    OP_NO_TLSv1_3 = 0x20000000
    OP_NO_RENEGOTIATION = 0x40000000
    OP_CIPHER_SERVER_PREFERENCE = 0x400000
    OP_SINGLE_DH_USE = 0
    OP_SINGLE_ECDH_USE = 0


class SSLErrorNumber(enum.IntEnum):
    SSL_ERROR_SSL = 1
    SSL_ERROR_WANT_READ = 2
    SSL_ERROR_WANT_WRITE = 3
    SSL_ERROR_WANT_X509_LOOKUP = 4
    SSL_ERROR_SYSCALL = 5
    SSL_ERROR_ZERO_RETURN = 6
    SSL_ERROR_WANT_CONNECT = 7
    SSL_ERROR_EOF = 8
    SSL_ERROR_INVALID_ERROR_CODE = 10


for _names in (_SSLMethod, VerifyMode, VerifyFlags, Options, SSLErrorNumber):
    globals().update(_names.__members__)


class Purpose(enum.Enum):
    SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
    CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"


class SSLError(OSError):
    library = None
    reason = None

    def __str__(self):
        return str(self.strerror or self.args)


class SSLZeroReturnError(SSLError):
    pass


class SSLWantReadError(SSLError):
    pass


class SSLWantWriteError(SSLError):
    pass


class SSLSyscallError(SSLError):
    pass


class SSLEOFError(SSLError):
    pass


class SSLCertVerificationError(SSLError, ValueError):
    verify_code = 0
    verify_message = ""


CertificateError = SSLCertVerificationError
DefaultVerifyPaths = namedtuple(
    "DefaultVerifyPaths", "cafile capath openssl_cafile_env openssl_cafile openssl_capath_env openssl_capath"
)


def get_default_verify_paths():
    return DefaultVerifyPaths(None, None, "SSL_CERT_FILE", "", "SSL_CERT_DIR", "")


class SSLSession:
    pass


class MemoryBIO:
    def __init__(self):
        self._data = bytearray()
        self._ended = False

    @property
    def pending(self):
        return len(self._data)

    @property
    def eof(self):
        return self._ended and not self._data

    def read(self, size=-1):
        data = bytes(self._data if size < 0 else self._data[:size])
        del self._data[: len(data)]
        return data

    def write(self, data):
        self._data += data
        return len(data)

    def write_eof(self):
        self._ended = True


class _Inert:
    """What both kinds of connection know of it: nothing."""

    session = None
    session_reused = False
    server_side = False

    def getpeercert(self, binary_form=False):
        return b"" if binary_form else {}

    def cipher(self):
        return None

    def shared_ciphers(self):
        return None

    def compression(self):
        return None

    def version(self):
        return None

    def selected_alpn_protocol(self):
        return None

    def selected_npn_protocol(self):
        return None

    def get_channel_binding(self, _type="tls-unique"):
        return None


class SSLObject(_Inert):
    """What goes through is not changed. The first bytes tell the socket at the other end that the host shall do TLS."""

    def __init__(self, incoming, outgoing, context, server_hostname):
        self._incoming = incoming
        self._outgoing = outgoing
        self._greeted = False
        self.context = context
        self.server_hostname = server_hostname

    def do_handshake(self):
        if not self._greeted:
            self._greeted = True
            self._outgoing.write(_socket.socket.SECURE)

    def read(self, length=1024, buffer=None):
        if not self._incoming.pending and not self._incoming.eof:
            raise SSLWantReadError(SSLErrorNumber.SSL_ERROR_WANT_READ, "nothing to read yet")
        data = self._incoming.read(length if buffer is None else min(length, len(buffer)))
        if buffer is None:
            return data
        buffer[: len(data)] = data
        return len(data)

    def write(self, data):
        return self._outgoing.write(data)

    def pending(self):
        return self._incoming.pending

    def unwrap(self):
        pass


class SSLSocket(_Inert, _socket.socket):
    """A socket whose request the host makes over TLS."""

    @classmethod
    def _over(cls, sock, context, server_hostname):
        secured = cls.__new__(cls)
        secured.take(sock)
        secured.secure = True
        secured.context = context
        secured.server_hostname = server_hostname
        return secured

    def do_handshake(self, _block=False):
        pass

    def pending(self):
        return 0

    def read(self, length=1024, buffer=None):
        return self.recv(length) if buffer is None else self.recv_into(buffer, length)

    def write(self, data):
        return self.send(data)

    def unwrap(self):
        return self


class SSLContext:
    sslsocket_class = SSLSocket
    sslobject_class = SSLObject

    def __init__(self, protocol=_SSLMethod.PROTOCOL_TLS):
        client = protocol == _SSLMethod.PROTOCOL_TLS_CLIENT
        self.protocol = protocol
        self.options = Options.OP_ALL
        self.verify_flags = VerifyFlags.VERIFY_X509_TRUSTED_FIRST
        self.check_hostname = client
        self.verify_mode = VerifyMode.CERT_REQUIRED if client else VerifyMode.CERT_NONE
        self.minimum_version = TLSVersion.MINIMUM_SUPPORTED
        self.maximum_version = TLSVersion.MAXIMUM_SUPPORTED
        self.hostname_checks_common_name = False
        self.keylog_filename = None
        self.post_handshake_auth = False
        self.sni_callback = None
        self.security_level = 2

    def load_cert_chain(self, certfile, keyfile=None, password=None):
        raise SSLError(1, "TLS is the host's: it shows no certificate of a client")

    def load_verify_locations(self, cafile=None, capath=None, cadata=None):
        if cafile is None and capath is None and cadata is None:
            raise TypeError("cafile, capath and cadata cannot be all omitted")

    def load_default_certs(self, purpose=Purpose.SERVER_AUTH):
        pass

    set_default_verify_paths = load_default_certs

    def set_ciphers(self, ciphers):
        pass

    def set_alpn_protocols(self, protocols):
        pass

    def get_ciphers(self):
        return []

    def get_ca_certs(self, binary_form=False):
        return []

    def cert_store_stats(self):
        return {"x509": 0, "crl": 0, "x509_ca": 0}

    def session_stats(self):
        return {}

    def wrap_socket(
        self,
        sock,
        server_side=False,
        do_handshake_on_connect=True,
        suppress_ragged_eofs=True,
        server_hostname=None,
        session=None,
    ):
        self._check(server_side, server_hostname)
        return self.sslsocket_class._over(sock, self, server_hostname)

    def wrap_bio(self, incoming, outgoing, server_side=False, server_hostname=None, session=None):
        self._check(server_side, server_hostname)
        return self.sslobject_class(incoming, outgoing, self, server_hostname)

    def _check(self, server_side, server_hostname):
        if server_side:
            raise SSLError(1, "TLS is the host's: a function is no server")
        if self.check_hostname and not server_hostname:
            raise ValueError("check_hostname requires server_hostname")


def create_default_context(purpose=Purpose.SERVER_AUTH, *, cafile=None, capath=None, cadata=None):
    server = purpose == Purpose.CLIENT_AUTH
    return SSLContext(_SSLMethod.PROTOCOL_TLS_SERVER if server else _SSLMethod.PROTOCOL_TLS_CLIENT)


def _create_unverified_context(
    protocol=None, *, cert_reqs=0, check_hostname=False, purpose=None, certfile=None, keyfile=None, cafile=None, capath=None,
    cadata=None,
):  # fmt: skip
    return SSLContext(protocol or _SSLMethod.PROTOCOL_TLS)


_create_default_https_context = create_default_context
_create_stdlib_context = _create_unverified_context


def match_hostname(cert, hostname):
    pass


def get_server_certificate(addr, ssl_version=None, ca_certs=None, timeout=None):
    raise SSLError(1, "TLS is the host's: its certificates are not shown")


def DER_cert_to_PEM_cert(der):
    import base64

    text = base64.standard_b64encode(der).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join([PEM_HEADER, *lines, PEM_FOOTER, ""])


def PEM_cert_to_DER_cert(pem):
    import base64

    return base64.decodebytes(pem.strip().removeprefix(PEM_HEADER).removesuffix(PEM_FOOTER).encode())


def RAND_status():
    return True


def RAND_bytes(length):
    import os

    return os.urandom(length)


def RAND_add(string, entropy):
    pass
