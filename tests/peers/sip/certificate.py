"""A certificate for this machine, and the authority that vouches for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Certificate:
    """
    Files in PEM form.

    Attributes:
        chain: The certificate alone.
        key: Its private key alone.
        both: Key and certificate in one, as baresip wants them.
        authority: Whom to trust.

    """

    chain: Path
    key: Path
    both: Path
    authority: Path


def issue(folder: Path, *, authority: trustme.CA | None = None, name: str = "127.0.0.1") -> Certificate:
    """Have an authority, by default a new one, issue a certificate for this name and ``localhost``."""
    authority = authority or trustme.CA()
    leaf = authority.issue_cert(name, "localhost")
    made = Certificate(*(folder / name for name in ("chain.pem", "key.pem", "both.pem", "authority.pem")))
    made.chain.write_bytes(b"".join(part.bytes() for part in leaf.cert_chain_pems))
    made.key.write_bytes(leaf.private_key_pem.bytes())
    made.both.write_bytes(leaf.private_key_and_cert_chain_pem.bytes())
    made.authority.write_bytes(authority.cert_pem.bytes())
    return made
