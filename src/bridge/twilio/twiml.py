"""
TwiML: the few documents the bridge answers with, and a reader for any document.

Source: https://www.twilio.com/docs/voice/twiml. Documents are built by Twilio's own helper library. The
reader is the local carrier's: as strict as Twilio about what a document is, silent about which verbs there
are (unknown ones only warn there: 12200), and deaf to everything by which XML attacks its readers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from twilio.twiml.voice_response import VoiceResponse  # type: ignore[import-untyped]

from bridge.errors import InvalidField, TwimlError

MAX_DOCUMENT_BYTES: Final = 64 * 1024
"""What Twilio reads of one answer; more is error 11750."""

MAX_INLINE_CHARACTERS: Final = 4000
"""What the Calls API takes in ``Twiml``; more is error 32018."""

MAX_PARAMETER_CHARACTERS: Final = 500
"""Name and value of one ``<Parameter>`` together must stay under this."""

_UNSPEAKABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

MAX_DEPTH: Final = 32
"""Deepest nesting read; TwiML itself needs five."""


@dataclass(frozen=True, slots=True)
class Element:
    """
    One element of a document: a verb, or a noun inside one.

    Attributes:
        name: As written; names are case-sensitive.
        attributes: As written, in their order.
        text: All character data inside, that of inner elements included, without surrounding white space.
        children: The elements directly inside, in their order.
        line: Where it begins, from 1; for warnings.

    """

    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    children: tuple[Element, ...] = ()
    line: int = field(default=0, compare=False)

    def get(self, name: str, default: str = "") -> str:
        """Give an attribute's value, or the default where it is absent."""
        return self.attributes.get(name, default)

    def find(self, name: str) -> Iterator[Element]:
        """Give the children of that name, in their order."""
        return (child for child in self.children if child.name == name)


def connect_stream(
    *,
    url: str,
    parameters: Mapping[str, str],
    greeting: str | None = None,
    action: str | None = None,
    status_callback: str | None = None,
) -> str:
    """
    Build the document that sends a call's audio to a media socket.

    Args:
        url: Absolute ``wss`` URL without a query (Twilio drops it); ``ws`` works on the local carrier only.
        parameters: Sent as ``<Parameter>``, so that they arrive in the stream's ``start`` message.
        greeting: Said before the stream begins.
        action: URL asked for what comes next when the stream has ended; without it the call then ends.
        status_callback: URL told of the stream's beginning, end and errors.

    Raises:
        InvalidField: A parameter is too long, or XML has no way to say one of these texts.

    """
    document = VoiceResponse()
    if greeting:
        document.say(_speakable("greeting", greeting))
    stream = document.connect(action=action).stream(url=url, status_callback=status_callback)
    for name, value in parameters.items():
        if len(name) + len(value) >= MAX_PARAMETER_CHARACTERS:
            raise InvalidField(
                f"parameters.{name[:40]}",
                f"name and value together have {len(name) + len(value)} characters.",
                f"Keep them under {MAX_PARAMETER_CHARACTERS}; send a reference instead of the thing itself.",
            )
        stream.parameter(
            name=_speakable("parameters", name), value=_speakable(f"parameters.{name[:40]}", value)
        )
    return str(document)


def _speakable(where: str, text: str) -> str:
    """Return the text if XML 1.0 section 2.2 allows its every character (escaping does not help there)."""
    if found := _UNSPEAKABLE.search(text):
        raise InvalidField(
            where,
            f"character U+{ord(found[0]):04X} cannot be sent.",
            "Leave control characters out, or encode them.",
        )
    return text


def hang_up() -> str:
    """Build the document that ends the call."""
    document = VoiceResponse()
    document.hangup()
    return str(document)


def empty() -> str:
    """Build the document that says nothing; the right answer to a status callback."""
    return str(VoiceResponse())


def parse(document: bytes | str) -> Element:
    """
    Read one document.

    Args:
        document: Bytes in the encoding the XML declares (UTF-8 if it does not), or text.

    Returns:
        The ``Response`` element.

    Raises:
        TwimlError: 11750 above 64 kB, 12100 where it is not well-formed XML or has a DOCTYPE or nesting
            nobody needs, 12102 where the root is not ``Response``.

    """
    try:
        data = document if isinstance(document, bytes) else document.encode()
    except UnicodeEncodeError as fault:
        raise TwimlError(12100, "The document holds half a surrogate pair, which is no character.") from fault
    if len(data) > MAX_DOCUMENT_BYTES:
        raise TwimlError(11750, f"The document has {len(data)} bytes; {MAX_DOCUMENT_BYTES} is the limit.")
    root = _Reader("utf-8" if isinstance(document, str) else None).read(data)
    if root.name != "Response":
        raise TwimlError(12102, f"The root element is <{root.name[:40]}>; it must be <Response>.")
    return root


@dataclass(slots=True)
class _Open:
    """An element whose end has not been read yet."""

    name: str
    attributes: dict[str, str]
    line: int
    text: list[str] = field(default_factory=list)
    children: list[Element] = field(default_factory=list)


class _Reader:
    """Builds elements from expat's events, without recursion, so that depth costs nothing but the check."""

    def __init__(self, encoding: str | None) -> None:
        self._expat = expat.ParserCreate(encoding)
        self._expat.buffer_text = True
        self._expat.StartDoctypeDeclHandler = self._refuse_doctype
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._text
        self._stack = [_Open("", {}, 0)]

    def read(self, data: bytes) -> Element:
        try:
            self._expat.Parse(data, True)
        except (expat.ExpatError, ValueError, LookupError) as fault:  # the last two: odd encodings
            raise TwimlError(12100, f"The document is not well-formed XML: {fault}.") from fault
        return self._stack[0].children[0]

    def _refuse_doctype(self, *_declaration: object) -> None:
        # Entities can only be declared in here, so this closes both expansion bombs and external files.
        raise TwimlError(
            12100, "The document has a DOCTYPE, which TwiML never needs and no reader should obey."
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._stack) > MAX_DEPTH:
            raise TwimlError(12100, f"The document is nested more than {MAX_DEPTH} deep.")
        self._stack.append(_Open(name, attributes, self._expat.CurrentLineNumber))

    def _end(self, _name: str) -> None:
        done, outer = self._stack.pop(), self._stack[-1]
        text = "".join(done.text)
        outer.text.append(text)
        outer.children.append(
            Element(done.name, done.attributes, text.strip(), tuple(done.children), done.line)
        )

    def _text(self, text: str) -> None:
        self._stack[-1].text.append(text)
