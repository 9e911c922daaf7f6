"""Calls as the API shows them, complete and with nothing that is none of its business."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bridge.calls.record import CallbackCopy, CallRecord, CallUpdate, StreamCounters, StreamRecord
from bridge.web.resource import CallResource, StreamResource

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CALL, STREAM = "CA" + "1" * 32, "MZ" + "2" * 32


def ended_call() -> CallRecord:
    record = CallRecord(CALL, "incoming", "+12025550123", "+12025550199", NOW, "ringing")
    counters = StreamCounters(
        frames=100,
        samples=16_160,
        gaps=1,
        filled_ms=20,
        duplicates=2,
        late=3,
        re_anchors=4,
        violations=5,
        underruns=6,
        dropped_ms=7,
        first_audio_ms=57,
    )
    stream = StreamRecord(STREAM, NOW, NOW + timedelta(seconds=2), "stop", counters)
    stream.recordings.append(Path("recordings/a.wav"))
    stream.sinks["wav"] = "done"
    stream.losses["http"] = 40
    record.add_stream(stream)
    record.status_copy = CallbackCopy("https://user:secret@h/")
    record.apply(CallUpdate(CALL, "completed", NOW + timedelta(seconds=3), 0, 2, 200, "human"))
    return record


def test_an_ended_call() -> None:
    shown = CallResource.of(ended_call()).model_dump(mode="json", by_alias=True)
    assert shown == {
        "sid": CALL,
        "direction": "incoming",
        "from": "+12025550123",
        "to": "+12025550199",
        "status": "completed",
        "created_at": "2026-01-01T00:00:00Z",
        "ringing_at": None,
        "answered_at": None,
        "ended_at": "2026-01-01T00:00:03Z",
        "duration_s": 2,
        "sip_status": 200,
        "answered_by": "human",
        "termination": {"result": "success", "reason": "completed"},
        "parameters": {},
        "sinks": None,
        "hints": [],
        "streams": [
            {
                "sid": STREAM,
                "started_at": "2026-01-01T00:00:00Z",
                "ended_at": "2026-01-01T00:00:02Z",
                "end": "stop",
                "frames": 100,
                "duration_ms": 2020,
                "gaps": 1,
                "filled_ms": 20,
                "duplicates": 2,
                "late": 3,
                "re_anchors": 4,
                "violations": 5,
                "underruns": 6,
                "dropped_ms": 7,
                "first_audio_ms": 57,
                "recordings": ["a.wav"],
                "sinks": {"wav": "done"},
                "losses": {"http": 40},
            }
        ],
    }


def test_callers_own_urls_are_not_shown() -> None:
    assert "secret" not in CallResource.of(ended_call()).model_dump_json()


def test_no_counter_is_forgotten() -> None:
    counted = {field.name for field in dataclasses.fields(StreamCounters)} - {"samples"}
    assert counted <= set(StreamResource.model_fields)
