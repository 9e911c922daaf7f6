"""TwiML: what we send is read back, what Twilio would refuse is refused with its code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.twiml.voice_response import VoiceResponse  # type: ignore[import-untyped]

from bridge.errors import InvalidField, TwimlError
from bridge.twilio.twiml import MAX_DEPTH, MAX_DOCUMENT_BYTES, Element, connect_stream, empty, hang_up, parse

URL = "wss://bridge.example.com/media-stream"
xml_text = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"),
    max_size=40,
)


def test_the_document_for_a_stream() -> None:
    assert connect_stream(
        url=URL,
        parameters={"token": "t&1"},
        greeting="Hi",
        action="https://h/e",
        status_callback="https://h/s",
    ) == (
        '<?xml version="1.0" encoding="UTF-8"?><Response><Say>Hi</Say><Connect action="https://h/e">'
        f'<Stream statusCallback="https://h/s" url="{URL}"><Parameter name="token" value="t&amp;1" />'
        "</Stream></Connect></Response>"
    )


def test_what_is_not_given_is_not_sent() -> None:
    assert parse(connect_stream(url=URL, parameters={})) == Element(
        "Response", {}, "", (Element("Connect", {}, "", (Element("Stream", {"url": URL}),)),)
    )


@given(st.dictionaries(xml_text, xml_text, max_size=5), xml_text)
def test_parameters_and_greeting_arrive_unchanged(parameters: dict[str, str], greeting: str) -> None:
    root = parse(connect_stream(url=URL, parameters=parameters, greeting=greeting))
    (connect,) = root.find("Connect")
    (stream,) = connect.find("Stream")
    assert {p.get("name"): p.get("value") for p in stream.find("Parameter")} == parameters
    assert "".join(say.text for say in root.find("Say")) == greeting.strip()


def test_line_breaks_and_quotes_in_values_survive() -> None:
    value = "a\r\nb\t\"c\" <d> 'e' & ✓"
    root = parse(connect_stream(url=URL, parameters={"v": value}))
    assert root.children[0].children[0].children[0].get("value") == value


@pytest.mark.parametrize("bad", ["\0", "\x1b", "\ud800", "\uffff"])
@pytest.mark.parametrize("where", ["name", "value", "greeting"])
def test_what_xml_cannot_say_is_refused_before_it_is_sent(bad: str, where: str) -> None:
    texts = {"name": "n", "value": "v", "greeting": "g"} | {where: f"x{bad}"}
    with pytest.raises(InvalidField, match=f"U\\+{ord(bad):04X}"):
        connect_stream(url=URL, parameters={texts["name"]: texts["value"]}, greeting=texts["greeting"])


def test_parameter_length() -> None:
    assert connect_stream(url=URL, parameters={"n": "v" * 498})
    with pytest.raises(InvalidField) as raised:
        connect_stream(url=URL, parameters={"n": "v" * 499})
    assert raised.value.field == "parameters.n"


def test_the_short_documents() -> None:
    assert parse(hang_up()) == Element("Response", {}, "", (Element("Hangup"),))
    assert parse(empty()) == Element("Response")


def test_a_document_of_the_helper_library() -> None:
    document = VoiceResponse()
    document.say("Hello", voice="alice", language="en-GB")
    document.play("https://h/a.wav", loop=2)
    document.connect(action="/next").stream(url=URL).parameter(name="a", value="1")
    root = parse(str(document))
    assert [verb.name for verb in root.children] == ["Say", "Play", "Connect"]
    assert root.children[0].attributes == {"language": "en-GB", "voice": "alice"}
    assert root.children[1] == Element("Play", {"loop": "2"}, "https://h/a.wav")


def test_text_of_inner_elements_counts_and_outer_space_does_not() -> None:
    (say,) = parse("<Response><Say>\n one <break/><emphasis>two</emphasis> three </Say></Response>").children
    assert say.text == "one two three"


def test_lines_are_known() -> None:
    root = parse("<Response>\n<!-- c -->\n  <Nonsense/>\n</Response>")
    assert (root.line, root.children[0].line) == (1, 3)


@pytest.mark.parametrize(
    "document",
    [
        "<?xml version='1.0' encoding='UTF-16'?><Response><Say>ü</Say></Response>".encode("utf-16"),
        "<?xml version='1.0' encoding='iso-8859-1'?><Response><Say>ü</Say></Response>".encode("latin-1"),
        "\ufeff<Response><Say>ü</Say></Response>",
        "<?xml version='1.0' encoding='ascii'?><Response><Say>ü</Say></Response>",  # moot for text
        "<Response><Say><![CDATA[ü]]></Say></Response>",
    ],
)
def test_encodings(document: bytes | str) -> None:
    assert parse(document).children[0].text == "ü"


@pytest.mark.parametrize(
    ("code", "document"),
    [
        (12100, ""),
        (12100, b""),
        (12100, "Hello"),
        (12100, "<Response>"),
        (12100, "<Response/><Response/>"),
        (12100, " <?xml version='1.0'?><Response/>"),
        (12100, "<Response><Say>a & b</Say></Response>"),
        (12100, "<Response a='1' a='2'/>"),
        (12100, b"<Response><Say>\xff</Say></Response>"),
        (12100, b"<?xml version='1.0' encoding='big5'?><Response/>"),
        (12100, b"<?xml version='1.0' encoding='nonsense'?><Response/>"),
        (12100, "<Response>\ud800</Response>"),
        (12100, "<!DOCTYPE Response><Response/>"),
        (12100, '<!DOCTYPE r [<!ENTITY a "b">]><Response><Say>&a;</Say></Response>'),
        (12100, '<!DOCTYPE r SYSTEM "file:///etc/passwd"><Response/>'),
        (12100, "<Response><Say>&undefined;</Say></Response>"),
        (12100, "<Response>" + "<a>" * MAX_DEPTH + "</a>" * MAX_DEPTH + "</Response>"),
        (12102, "<response/>"),
        (12102, "<html><body/></html>"),
        (11750, b" " * (MAX_DOCUMENT_BYTES + 1)),
        (11750, "<Response><Say>" + "ü" * (MAX_DOCUMENT_BYTES // 2) + "</Say></Response>"),
    ],
)
def test_what_twilio_would_refuse(code: int, document: bytes | str) -> None:
    with pytest.raises(TwimlError) as raised:
        parse(document)
    assert raised.value.code == code


def test_a_billion_laughs_take_no_time() -> None:
    bomb = "<!DOCTYPE r [<!ENTITY a 'ha'>" + "".join(
        f"<!ENTITY {name} '{('&' + previous + ';') * 10}'>"
        for previous, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(TwimlError, match="DOCTYPE"):
        parse(f"{bomb}]><Response><Say>&i;</Say></Response>")


def test_the_deepest_document() -> None:
    inner = MAX_DEPTH - 1
    assert parse("<Response>" + "<a>" * inner + "</a>" * inner + "</Response>").children


@given(st.binary(max_size=200) | st.text("<>/&;!?[]= \"'aRespon", max_size=80))
def test_any_input_is_a_document_or_a_twiml_error(document: bytes | str) -> None:
    try:
        outcome: object = parse(document).name
    except TwimlError as fault:
        outcome = fault.code
    assert outcome in {"Response", 11750, 12100, 12102}
