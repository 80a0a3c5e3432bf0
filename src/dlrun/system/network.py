"""Check whether the hosts of a download answer at all, all at the same time and with a fixed deadline.

tensorflow-datasets 4.9.10 retries every file ten times with growing pauses and no limit. That takes 204 s on a machine
where name lookups fail at once, and never ends where packets are dropped. So dlrun checks before calling it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

_CONNECT_SECONDS = 4.0
_TOTAL_SECONDS = 8.0
# What a proxy answers if it cannot or may not reach a host.
_PROXY_FAILURES = (407, 502, 503, 504)


def find_unreachable(
    urls: Iterable[str], *, connect_seconds: float = _CONNECT_SECONDS, total_seconds: float = _TOTAL_SECONDS
) -> str | None:
    """Connect to each host once, all at the same time, through the proxies in the environment.

    Args:
        urls: The URLs of the files to download.
        connect_seconds: How long one host may take to answer.
        total_seconds: How long everything may take, including name lookups.

    Returns:
        None if every host answers, even with an error; else the first host that does not, and why.
    """
    first_of_host = {urlsplit(url).netloc: url for url in urls}
    failures: dict[str, str | None] = {}

    def ask(host: str, url: str) -> None:
        failures[host] = _failure(url, connect_seconds)

    # Daemon threads: a name lookup has no time limit, and must not keep the program from ending.
    threads = [threading.Thread(target=ask, args=item, daemon=True) for item in first_of_host.items()]
    deadline = time.monotonic() + total_seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    for host in first_of_host:
        failure = failures.get(host, f"no answer within {total_seconds:.0f} s")
        if failure is not None:
            return f"{host} does not answer ({failure})"
    return None


def _failure(url: str, seconds: float) -> str | None:
    import urllib.error
    import urllib.request

    # These are the URLs that tensorflow-datasets would open.
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310
    try:
        # Not urlopen(), which keeps using the proxies that the environment had at its first call.
        with urllib.request.build_opener().open(request, timeout=seconds):
            return None
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code} {error.reason}" if error.code in _PROXY_FAILURES else None
    except urllib.error.URLError as error:
        return str(getattr(error.reason, "strerror", None) or error.reason)
    except (OSError, ValueError) as error:
        return str(error) or type(error).__name__
