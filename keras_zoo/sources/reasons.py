"""Why something could not be had, in words, and what to do about it: one table for all sources.

The clients raise errors of their own, of the HTTP library they use and of the system, one inside another, so an error
is recognised by the names of the classes, HTTP status and system's error number anywhere in its chain.
"""

import errno
import re
from dataclasses import dataclass

from keras_zoo.errors import PresetError

TOKEN = "log in with `hf auth login`, or set HF_TOKEN"
KAGGLE_TOKEN = "get an API token at Kaggle's settings page and set KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY"

UNREACHABLE = (
    "the server could not be reached ({error}); check the network, HTTPS_PROXY and HF_ENDPOINT. With a copy in the "
    "cache, use offline=True"
)


@dataclass(frozen=True)
class Reason:
    """One line of the table: what an error must show (any of it is enough), and the text, with the facts to fill in.

    classes    names of an error's class, or of one of its bases
    statuses   HTTP statuses
    numbers    the system's error numbers
    words      a pattern in its message
    scheme     of the addresses it is for
    token      only where a token is set
    transient  it may be different next time, so that a copy in the cache is as good as an answer
    """

    text: str
    classes: tuple = ()
    statuses: tuple = ()
    numbers: tuple = ()
    words: str = ""
    scheme: str = ""
    token: bool = False
    transient: bool = False


# The first that fits is given, so what is particular comes first.
REASONS = (
    Reason(
        "the disk is full while writing. Make room (see `keras-zoo cache`), or set HF_HOME, KAGGLEHUB_CACHE or "
        "KERAS_ZOO_CACHE to another disk; what is complete is kept",
        numbers=(errno.ENOSPC, errno.EDQUOT),
    ),
    Reason(
        "the network may not be used (HF_HUB_OFFLINE), and it is not in the cache", classes=("OfflineModeIsEnabled",)
    ),
    Reason(f"the repository is gated: accept its terms at {{page}}, then {TOKEN}", classes=("GatedRepoError",)),
    Reason("the hub has disabled this repository; see {page}", classes=("DisabledRepoError",)),
    Reason(
        "the repository has no revision {revision!r}; see {page}/branches for those there are",
        classes=("RevisionNotFoundError",),
    ),
    Reason("the repository does not have the file ({error})", classes=("EntryNotFoundError",)),
    Reason(
        "there is no such repository, or it is private and the token that is set may not read it; check the name at "
        "{page}",
        classes=("RepositoryNotFoundError",),
        token=True,
    ),
    Reason(
        f"there is no such repository, or it is private: check the name at {{page}}, and where it is private {TOKEN}",
        classes=("RepositoryNotFoundError",),
    ),
    Reason("the name is not one that the hub can have ({error})", classes=("HFValidationError",)),
    Reason(f"the token was refused: {TOKEN} to one that is valid", statuses=(401,), scheme="hf", token=True),
    Reason(f"nobody is logged in: {TOKEN}", classes=("LocalTokenNotFoundError",), statuses=(401,), scheme="hf"),
    Reason(f"access is forbidden ({{error}}): {TOKEN} to one that may", statuses=(403,), scheme="hf"),
    Reason(
        f"Kaggle wants to know who asks: {KAGGLE_TOKEN}",
        classes=("UnauthenticatedError", "CredentialError"),
        statuses=(401,),
        scheme="kaggle",
    ),
    Reason(
        f"Kaggle refuses access. Accept the model's terms at {{page}}, and {KAGGLE_TOKEN}",
        statuses=(403,),
        scheme="kaggle",
    ),
    Reason("there is no such model, variation or version; see {page}", statuses=(404,), scheme="kaggle"),
    Reason(
        "the server redirects in a way that is not followed ({error}); ask for the file's own address",
        statuses=(301, 302, 303, 307, 308),
    ),
    Reason("the server refuses access (HTTP {status})", statuses=(401, 403)),
    Reason("the server has no such file (HTTP {status}); check the address", statuses=(404, 410)),
    Reason(
        "the server says that there were too many requests (HTTP 429); try again {wait}, and for the Hugging Face Hub "
        "log in, which allows for more",
        statuses=(429,),
        transient=True,
    ),
    Reason(
        "the server is in trouble (HTTP {status}); try again later, or set HF_ENDPOINT to a mirror",
        statuses=tuple(range(500, 600)),
        transient=True,
    ),
    Reason(
        "the proxy refused the connection ({error}); check HTTPS_PROXY and NO_PROXY",
        classes=("ProxyError",),
        transient=True,
    ),
    Reason(
        "the server's certificate is not trusted ({error}). Behind a proxy that has its own, set SSL_CERT_FILE to its "
        "certificate",
        classes=("SSLError", "SSLCertVerificationError"),
        words="CERTIFICATE_VERIFY_FAILED",
        transient=True,
    ),
    Reason(
        "the server's name was not found: there is no network, or no name service. With a copy in the cache use "
        "offline=True",
        classes=("gaierror", "NameResolutionError"),
        words=r"[Nn]ame or service not known|Name resolution|getaddrinfo|nodename nor servname",
        transient=True,
    ),
    Reason(UNREACHABLE, numbers=(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ECONNREFUSED), transient=True),
    Reason(
        "the server did not answer in time; try again. HF_HUB_DOWNLOAD_TIMEOUT and HF_HUB_ETAG_TIMEOUT (seconds) allow "
        "the Hugging Face Hub more",
        classes=("TimeoutException", "Timeout", "TimeoutError"),
        transient=True,
    ),
    Reason(
        "the download ended before it was whole ({error}); try again, what is there is kept",
        classes=("IncompleteRead", "RemoteProtocolError", "ChunkedEncodingError", "ContentTooShortError"),
        words=r"Consistency check failed",
        transient=True,
    ),
    Reason(
        UNREACHABLE,
        classes=("ConnectError", "ConnectionError", "NetworkError", "URLError", "TransportError"),
        transient=True,
    ),
    Reason(
        "the cache cannot be written ({error}). Set HF_HOME, KAGGLEHUB_CACHE or KERAS_ZOO_CACHE to a folder that can",
        numbers=(errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST),
    ),
)


def chain(error):
    """An error and those that it was raised from, or holds."""
    seen = []
    while isinstance(error, BaseException) and error not in seen:
        seen.append(error)
        held = getattr(error, "reason", None)
        error = held if isinstance(held, BaseException) else error.__cause__ or error.__context__
    return seen


def status_of(error):
    """The HTTP status of an error of any of the clients, None where it has none."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None) or getattr(error, "code", None)
    return status if isinstance(status, int) else None


def headers_of(error):
    return getattr(getattr(error, "response", None), "headers", None) or getattr(error, "headers", None) or {}


def reason_for(error, scheme, token=False):
    """The `Reason` of an error, None for one that is not in the table, and the error of the chain that shows it."""
    errors = chain(error)
    for reason in REASONS:
        if reason.scheme not in ("", scheme) or (reason.token and not token):
            continue
        for found in errors:
            if shows(found, reason):
                return reason, found
    return None, errors[-1]


def shows(error, reason):
    names = {cls.__name__ for cls in type(error).__mro__}
    return bool(
        names & set(reason.classes)
        or status_of(error) in reason.statuses
        or (isinstance(error, OSError) and error.errno is not None and error.errno in reason.numbers)
        or (reason.words and re.search(reason.words, str(error)))
    )


def retry_after(error):
    """Seconds that a server wants one to wait; None where it does not say."""
    value = str(headers_of(error).get("Retry-After", ""))
    return int(value) if value.isdigit() else None


def explained(error, address, scheme, page="", revision=None, token=False):
    """`(PresetError, transient)` of an error that a client raised while it fetched `address`."""
    reason, found = reason_for(error, scheme, token)
    first = str(found).strip().split("\n")[0]
    words = f"{type(found).__name__}: {first}" if first else type(found).__name__
    if reason is None:
        return PresetError(f"{address!r} could not be fetched: {words}"), False
    seconds = retry_after(found)
    text = reason.text.format(
        error=words,
        status=status_of(found),
        page=page,
        revision=revision,
        wait="later" if seconds is None else f"in {seconds} seconds",
    )
    return PresetError(f"{address!r} could not be fetched: {text}."), reason.transient
