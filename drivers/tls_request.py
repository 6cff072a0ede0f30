"""A request over TLS with one version, suite and group alone, by OpenSSL: our own client is not so narrow."""

import re
import time

from drivers import process, reach
from drivers.interfaces.replies import WebReply
from drivers.text import clean, line
from drivers.web import Site

KEEP = 64 << 10
_AGREED = re.compile(rb"New, (TLSv1\.[0-9]), Cipher is ([A-Za-z0-9_-]{1,60})")
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})")


def get(site: Site, path: str, version: str, suite: str = "", group: str = "") -> WebReply:
    """Ask for a page without credentials; `tls` of the reply has the version and suite that were agreed.

    Args:
        site: its certificate is verified.
        path: of the page.
        version: "1.2" or "1.3".
        suite: as OpenSSL names it; any by default.
        group: any by default.

    Raises:
        ValueError: another version.
        LabError: there is no OpenSSL.
    """
    reach.check((site.host, site.port))
    if version not in ("1.2", "1.3"):
        raise ValueError(f"TLS {version}: 1.2 or 1.3")
    host = f"[{site.host}]" if ":" in site.host else site.host
    words = ["openssl", "s_client", "-connect", f"{host}:{site.port}", "-ign_eof", "-verify_return_error"]
    words += [
        f"-tls1_{version[-1]}",
        "-verify_ip" if not site.name else "-verify_hostname",
        site.name or site.host,
    ]
    words += ["-CAfile", str(site.trust)] if site.trust else []
    words += ["-cert", str(site.client[0]), "-key", str(site.client[1])] if site.client else []
    words += ["-ciphersuites" if version == "1.3" else "-cipher", suite] if suite else []
    words += ["-groups", group] if group else []
    asked = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: assay\r\nConnection: close\r\n\r\n".encode()
    began = time.monotonic()
    done = process.run(words, within=site.within, keep=KEEP, stdin=asked)
    seconds = time.monotonic() - began
    agreed, status = _AGREED.search(done.out), _STATUS.search(done.out)
    tls = f"{agreed[1].decode()} {agreed[2].decode()}" if agreed else ""
    if agreed is None or status is None:
        said = line(done.err.decode(errors="replace") or clean(done.out[-300:]), 300)
        outcome = (
            "untrusted" if b"verify error" in done.err + done.out else "silence" if done.cut else "closed"
        )
        return WebReply(outcome, said, tls=tls, seconds=seconds)  # type: ignore[arg-type]
    return WebReply("answered", "", int(status[1]), tls=tls, seconds=seconds)
