"""
Requests to one receiver: one at a time, repeated until taken or given up.

Repeated are those that may yet succeed: no connection, no answer, 408, 425, 429 and 5xx
(RFC 9110 section 15); any other answer from 300 on is the receiver's last word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar
from yarl import URL

from bridge.clock import Clock, SystemClock
from bridge.sinks.back_off import BackOff
from bridge.sinks.recording_file import WRITER

MAX_RETRY_AFTER_S: Final = 30.0
"""What a receiver may ask for by ``Retry-After``; longer is cut to this."""

_MAX_REDIRECTS: Final = 3
_AGAIN: Final = frozenset({408, 425, 429})
_MOVED: Final = frozenset({307, 308})
"""The redirects that keep method and body (RFC 9110 sections 15.4.8 and 15.4.9)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What became of one attempt.

    Attributes:
        fault: What went wrong; ``None`` if it was taken.
        again: Whether another attempt may help.
        after_s: What the receiver asked to wait.
        moved_to: Where on the same server it is to be sent instead.

    """

    fault: str | None = None
    again: bool = False
    after_s: float = 0.0
    moved_to: URL | None = None


class Delivery:
    """
    The way to one receiver; an asynchronous context manager.

    Args:
        url: Where to; redirects are followed within its scheme, host and port only.
        headers: Sent with every request.
        timeout_s: For each attempt; for a file, for connecting and for the answer after it.
        retry_s: How long after its first attempt a request may be repeated.

    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        timeout_s: float,
        retry_s: float,
        clock: Clock | None = None,
        back_off: BackOff | None = None,
    ) -> None:
        self._url = URL(url)
        self._headers: Final = dict(headers)
        self._timeout_s: Final = timeout_s
        self._retry_s: Final = retry_s
        self._clock: Final = clock or SystemClock()
        self._back_off: Final = back_off or BackOff()
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        # No cookies, no proxies, no .netrc: what is sent is what was configured.
        self._session = ClientSession(cookie_jar=DummyCookieJar(), headers={"User-Agent": "bridge"})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, headers: Mapping[str, str], body: bytes | Path) -> str | None:
        """
        Send one request until it is taken or given up.

        Args:
            headers: Of this request; they stand above the receiver's.
            body: The bytes, or a file, which is streamed.

        Returns:
            ``None`` once it was taken, else why it was given up: a sentence without the URL.

        Raises:
            OSError: the file cannot be opened.

        """
        deadline_s = self._clock.now_s() + self._retry_s
        redirects = 0
        self._back_off.reset()
        while True:
            verdict = await self._attempt({**self._headers, **headers}, body)
            if verdict.moved_to is not None and redirects < _MAX_REDIRECTS:
                redirects += 1
                self._url = verdict.moved_to
                continue
            if not verdict.again:
                return verdict.fault
            pause_s = max(self._back_off.next_s(), min(verdict.after_s, MAX_RETRY_AFTER_S))
            if self._clock.now_s() + pause_s > deadline_s:
                return f"{verdict.fault}, and so for {self._retry_s:g} s"
            await self._clock.sleep_until_s(self._clock.now_s() + pause_s)

    async def _attempt(self, headers: Mapping[str, str], body: bytes | Path) -> Verdict:
        if self._session is None:
            raise RuntimeError("a delivery is used inside `async with`")
        with ExitStack() as open_files:
            data: bytes | BinaryIO
            if isinstance(body, Path):
                # A long recording may take longer than any answer, so only its steps are timed.
                timeout = ClientTimeout(total=None, sock_connect=self._timeout_s, sock_read=self._timeout_s)
                opened = await asyncio.get_running_loop().run_in_executor(WRITER, body.open, "rb")
                data = open_files.enter_context(opened)
            else:
                timeout = ClientTimeout(total=self._timeout_s)
                data = body
            try:
                async with self._session.post(
                    self._url, data=data, headers=headers, allow_redirects=False, timeout=timeout
                ) as response:
                    return self._judge(response)  # the answer's body is of no interest and is not read
            except TimeoutError:
                return Verdict(f"no answer within {self._timeout_s:g} s", again=True)
            except (ClientError, OSError) as error:
                # Only the kind: aiohttp's sentences may hold the URL.
                return Verdict(f"no connection ({type(error).__name__})", again=True)

    def _judge(self, response: ClientResponse) -> Verdict:
        status = response.status
        if status < 300:
            return Verdict()
        if status in _MOVED:
            target = self._url.join(URL(response.headers.get("Location", "")))
            if target.origin() == self._url.origin() and target != self._url:
                return Verdict(f"it redirects more than {_MAX_REDIRECTS} times", moved_to=target)
        if status < 400:
            return Verdict(f"it redirects elsewhere ({status}), which is not followed")
        after_s = self._asked_to_wait_s(response.headers.get("Retry-After", ""))
        return Verdict(f"it answered {status}", again=status in _AGAIN or status >= 500, after_s=after_s)

    def _asked_to_wait_s(self, text: str) -> float:
        """``Retry-After``, seconds or a date (RFC 9110 section 10.2.3); what is neither asks for nothing."""
        if text.isascii() and text.isdigit():
            return float(text[:6])
        try:
            return max(0.0, (parsedate_to_datetime(text) - self._clock.utc()).total_seconds())
        except (ValueError, TypeError):  # no date, or one without a zone
            return 0.0
