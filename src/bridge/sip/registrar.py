"""Who is registered, and where: RFC 3261 section 10.3, as a value without sockets or clocks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from sipmessage import Request, Response

from bridge.sip.binding import Binding
from bridge.sip.contact import Contact, is_same_uri, read_contacts
from bridge.sip.hop import Hop
from bridge.sip.message import response_to

_SECONDS: Final = re.compile(r"\d{1,10}", re.ASCII)
_MAX_CALL_ID_CHARACTERS: Final = 256
_MAX_USER_AGENT_CHARACTERS: Final = 120


class Registrar:
    """
    The bindings of all users.

    It asks nobody for passwords: ``register`` is for requests whose sender is known.

    Args:
        most: Bindings of one user. A further one takes the place of the one not refreshed for longest, which
            is most likely a phone that was switched off: refusing would keep the living out for the dead.
        min_expires_s: The least a phone may ask for; less is refused with 423.
        max_expires_s: What is granted at most, and where a phone does not say.

    """

    def __init__(self, *, most: int = 10, min_expires_s: int = 60, max_expires_s: int = 3600) -> None:
        self._most: Final = most
        self._min_expires_s: Final = min_expires_s
        self._max_expires_s: Final = max_expires_s
        self._bindings: dict[str, list[Binding]] = {}
        self._now_s = 0.0

    def register(self, aor_user: str, request: Request, *, source: Hop, now_s: float) -> Response:
        """
        Carry out a REGISTER: all of it or nothing.

        Args:
            aor_user: Who has proved to be sending; may change its own bindings only.
            request: The REGISTER.
            source: Where it came from.
            now_s: Monotonic seconds.

        Returns:
            200 with all bindings there are now; 400, 403, 423 or 500 where nothing was changed.

        """
        self._now_s = max(self._now_s, now_s)
        if request.to_address.uri.user != aor_user:
            return response_to(request, 403, "Not your address")
        if len(request.call_id) > _MAX_CALL_ID_CHARACTERS:
            return response_to(request, 400, "Call-ID too long")
        values = request.headers.getlist("Contact")
        if [value.strip() for value in values] == ["*"]:
            return self._remove_all(aor_user, request)
        try:
            contacts = read_contacts(values)
        except ValueError as error:
            return response_to(request, 400, f"Contact {error}")
        if len(contacts) > self._most:
            return response_to(request, 403, "Too many contacts")
        return self._change(aor_user, request, contacts, source)

    def bindings(self, user: str, now_s: float) -> list[Binding]:
        """Give a user's live bindings: by the phone's own preference, then the newest first."""
        self._now_s = max(self._now_s, now_s)
        newest_first = reversed(self._live(user))
        return sorted(newest_first, key=lambda binding: -binding.q)

    def users(self, now_s: float) -> dict[str, list[Binding]]:
        """Give everybody who is registered, by name, with their bindings in the order of ``bindings``."""
        return {user: live for user in sorted(self._bindings) if (live := self.bindings(user, now_s))}

    def drop_flow(self, flow: int) -> None:
        """Forget whoever was reached by this connection, which has ended (RFC 5626 section 5.3)."""
        for user in list(self._bindings):
            self._keep(user, [binding for binding in self._bindings[user] if binding.hop.flow != flow])

    def is_registered_source(self, hop: Hop, now_s: float | None = None) -> str | None:
        """
        Say which user's phone sends from exactly this address and connection.

        Over UDP a sender's address proves nothing: it tells whose request it may be, not that it is.

        Args:
            hop: Where a request came from.
            now_s: Monotonic seconds; by default the latest that was told.

        """
        self._now_s = max(self._now_s, now_s or 0.0)
        for user in self._bindings:
            if any(binding.hop == hop for binding in self._live(user)):
                return user
        return None

    def _change(self, user: str, request: Request, contacts: Sequence[Contact], source: Hop) -> Response:
        """Do RFC 3261 section 10.3, step 7; without contacts it changes nothing and tells all."""
        before = self._live(user)
        after = list(before)
        for contact in contacts:
            seconds = self._granted_s(contact.expires or request.headers.get("Expires"))
            if 0 < seconds < self._min_expires_s:
                return response_to(
                    request, 423, "Interval Too Brief", headers=[("Min-Expires", str(self._min_expires_s))]
                )
            if any(_is_older(request, old) for old in before if _is_same(old, contact)):
                return _out_of_order(request)
            after = [other for other in after if not _is_same(other, contact)]
            if seconds:
                after.append(_binding(request, contact, source, self._now_s + seconds))
        self._keep(user, after[-self._most :])
        return self._all(user, request)

    def _remove_all(self, user: str, request: Request) -> Response:
        """Do RFC 3261 section 10.3, step 6."""
        if self._granted_s(request.headers.get("Expires")) != 0:
            return response_to(request, 400, "Contact: * needs Expires: 0")
        if any(_is_older(request, binding) for binding in self._live(user)):
            return _out_of_order(request)
        self._keep(user, [])
        return self._all(user, request)

    def _granted_s(self, asked: str | None) -> int:
        """Cut what is asked for to what is given; what cannot be read counts as not said (section 20.10)."""
        if asked is None or not _SECONDS.fullmatch(asked.strip()):
            return self._max_expires_s
        return min(int(asked), self._max_expires_s)

    def _all(self, user: str, request: Request) -> Response:
        """Answer with every binding and the time it has left (section 10.3, step 8)."""
        headers = [
            ("Contact", f"<{binding.contact}>;expires={binding.left_s(self._now_s)}")
            for binding in self.bindings(user, self._now_s)
        ]
        return response_to(request, 200, headers=headers)

    def _live(self, user: str) -> list[Binding]:
        """Give what has not expired, the latest refreshed last."""
        return [binding for binding in self._bindings.get(user, ()) if binding.expires_s > self._now_s]

    def _keep(self, user: str, bindings: list[Binding]) -> None:
        if bindings:
            self._bindings[user] = bindings
        else:
            self._bindings.pop(user, None)


def _binding(request: Request, contact: Contact, source: Hop, expires_s: float) -> Binding:
    return Binding(
        contact=contact.uri,
        hop=source,
        expires_s=expires_s,
        call_id=request.call_id,
        cseq=request.cseq.sequence,
        user_agent=_shown(request.user_agent or ""),
        q=contact.q,
        instance=contact.instance,
    )


def _shown(text: str) -> str:
    """Cut what a phone calls itself, and take out what a terminal would act upon."""
    return "".join(letter for letter in text[:_MAX_USER_AGENT_CHARACTERS] if letter.isprintable())


def _is_same(binding: Binding, contact: Contact) -> bool:
    """Whether a contact stands for the same device; after a restart it may well have another port."""
    if contact.instance and contact.instance == binding.instance:
        return True
    return is_same_uri(binding.contact, contact.uri)


def _is_older(request: Request, binding: Binding) -> bool:
    """Whether a request was sent no later than the one that made the binding, and only came later."""
    return request.call_id == binding.call_id and request.cseq.sequence <= binding.cseq


def _out_of_order(request: Request) -> Response:
    return response_to(request, 500, "CSeq out of order")
