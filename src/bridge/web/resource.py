"""Calls as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from bridge.calls.record import CallRecord, StreamRecord
from bridge.calls.status import Direction, Reason, Result, Status


class StreamResource(BaseModel):
    """One media stream of a call; the counters are those of what the phone says."""

    sid: str = Field(examples=["MZ" + "0" * 32])
    started_at: datetime
    ended_at: datetime | None
    end: str | None = Field(description="stop, lost, hangup, shutdown or stalled; null while it is open")
    frames: int = Field(description="media messages taken")
    duration_ms: int = Field(description="length on the stream's own timeline, gaps included")
    gaps: int
    filled_ms: int = Field(description="silence put in for audio that never came")
    duplicates: int
    late: int
    re_anchors: int = Field(description="jumps of the stream's clock")
    violations: int = Field(description="messages that broke the protocol and were ignored")
    underruns: int = Field(description="times the phone ran dry inside something that was being played")
    dropped_ms: int = Field(description="audio that slow listeners lost, added up over all of them")
    first_audio_ms: int | None = Field(description="from the socket's opening to the first audio")
    recordings: list[str] = Field(description="names of the files written of it")
    sinks: dict[str, str] = Field(description="what became of each sink")
    losses: dict[str, int] = Field(description="milliseconds that did not reach where they were to go")

    @classmethod
    def of(cls, stream: StreamRecord) -> StreamResource:
        """Show a stream."""
        counters = stream.counters
        return cls(
            sid=stream.sid,
            started_at=stream.started_at,
            ended_at=stream.ended_at,
            end=stream.end,
            frames=counters.frames,
            duration_ms=counters.samples // 8,
            gaps=counters.gaps,
            filled_ms=counters.filled_ms,
            duplicates=counters.duplicates,
            late=counters.late,
            re_anchors=counters.re_anchors,
            violations=counters.violations,
            underruns=counters.underruns,
            dropped_ms=counters.dropped_ms,
            first_audio_ms=counters.first_audio_ms,
            recordings=[path.name for path in stream.recordings],
            sinks=dict(stream.sinks),
            losses=dict(stream.losses),
        )


class TerminationResource(BaseModel):
    """How a call ended, and whose doing that was."""

    result: Result
    reason: Reason


class CallResource(BaseModel):
    """One call."""

    sid: str = Field(examples=["CA" + "0" * 32])
    direction: Direction
    from_: str = Field(alias="from")
    to: str
    status: Status
    created_at: datetime
    ringing_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    duration_s: int | None = Field(description="the answered part, as the carrier counts it")
    sip_status: int | None = Field(description="SIP answer behind the end, where the carrier told")
    answered_by: str | None = Field(description="result of machine detection")
    termination: TerminationResource | None
    parameters: dict[str, str]
    sinks: list[str] | None = Field(description="asked for in place of the configured ones")
    hints: list[str] = Field(description="remarks on the request that did not stop it")
    streams: list[StreamResource]

    @classmethod
    def of(cls, record: CallRecord) -> CallResource:
        """Show a call; addresses in full, because who may ask for it may know them."""
        end = record.termination
        return cls.model_validate(
            {
                "sid": record.sid,
                "direction": record.direction,
                "from": record.from_,
                "to": record.to,
                "status": record.status,
                "created_at": record.created_at,
                "ringing_at": record.ringing_at,
                "answered_at": record.answered_at,
                "ended_at": record.ended_at,
                "duration_s": record.duration_s,
                "sip_status": record.sip_status,
                "answered_by": record.answered_by,
                "termination": TerminationResource(result=end.result, reason=end.reason) if end else None,
                "parameters": dict(record.parameters),
                "sinks": None if record.sinks is None else list(record.sinks),
                "hints": list(record.hints),
                "streams": [StreamResource.of(stream) for stream in record.streams],
            }
        )


class CallPage(BaseModel):
    """Part of the list of calls, newest first."""

    calls: list[CallResource]
    next: str | None = Field(description="where the list goes on; null where it does not")


class PlacedCall(BaseModel):
    """What `/make-call` answers, and nothing else."""

    call_sid: str = Field(examples=["CA" + "0" * 32])


class ProblemResource(BaseModel):
    """RFC 9457 problem details."""

    type: Literal["about:blank"]
    title: str
    status: int
    code: str = Field(description="a short fixed name that programs can rely on")
    detail: str
    field: str | None = None
    hint: str | None = Field(None, description="how to mend it")
    twilio_code: int | None = None
    more_info: str | None = None
    recordings: list[str] | None = Field(None, description="of a call that is over: names of its files")
