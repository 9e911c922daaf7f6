"""
Whether the phone speaks: an interface that a model can fill, and a detector that goes by energy.

``EnergyDetector`` knows how loud the line is while nobody speaks, and how much that wavers. Speech is what
rises above it by more than its wavering and lasts for three steps of 10 ms, which no click does. What is
loud but no longer wavers as syllables do (a hold tone, a fan, a car) is taken for the new noise after some
seconds, so that nothing counts as speech for ever. It cannot tell one talker from another, or from music.
"""

from __future__ import annotations

from math import log10
from typing import Final, Protocol

from bridge.audio.g711 import decode_ulaw, rms

_STEP_BYTES: Final = 160
"""10 ms of PCM16: half a frame, so that an onset in the middle of a frame is not diluted by the rest."""
_STEP_MS: Final = 10
_FULL_SCALE_DB: Final = 20 * log10(32768)

_QUIETEST_DBFS: Final = -60.0
"""Noise is never taken to be quieter: comfort noise and the steps of the μ-law around zero lie below."""
_QUIETEST: Final = 32
"""The same as an amplitude."""
_LOUDEST_FIRST_DBFS: Final = -35.0
"""A call that begins louder than this begins with speech, and not with its noise."""
_FIRST_STEPS: Final = 30
"""In which the noise of a new call is learned quickly."""

_FIRST_RATE: Final = 0.1

_LEAST_MARGIN_DB: Final = 6.0
_MOST_MARGIN_DB: Final = 13.0
_WAVERINGS: Final = 4.5
"""How many times the noise's mean deviation speech must rise above its mean, within these two bounds."""
_CLEAR_DB: Final = 3.0
"""This much above the margin counts twice, and down to this much below it speech is still going on."""
_ENOUGH: Final = 6
"""Points for a start: three clear steps or six weak ones."""
_LOSS: Final = 3
"""Points that a step below the margin costs: a click on the border of two steps is soon forgotten."""

_QUIET_STEPS: Final = 50
"""Speech has stopped when this much more was quiet than was not: 500 ms, longer than a stop consonant."""
_LOUD_WEIGHT: Final = 5
"""A click in the silence after speech takes back 50 ms of it and not all."""

_MEAN_RATE: Final = 0.02
_WAVER_RATE: Final = 0.01
_FALL_DB: Final = 10.0
_FALL_RATE: Final = 0.1
"""Where the line is suddenly quieter by more than ``_FALL_DB``, its noise is so too."""
_LOST_STEPS: Final = 100
"""Digital silence up to a second may be what was put in for lost frames, and says nothing of the line."""

_TALK_STEPS: Final = 200
_TALK_RATE: Final = 1 / _TALK_STEPS
"""Two seconds: some syllables, each of which rises and falls by much."""
_STEADY_STEPS: Final = 150
_STEADY_WAVER_DB: Final = 2.6
"""Speech deviates by 4 dB and more from its own mean, in noise 10 dB below it by about 3."""
_LONGEST_STEPS: Final = 6000
"""Who talks for a minute without half a second's pause is no talker but music, or a room full of them."""


class SpeechDetector(Protocol):
    """
    Finds speech in one track of a call.

    Attributes:
        spoken_ms: How long the phone has been speaking, or spoke last, without the silence that ended it.

    """

    @property
    def spoken_ms(self) -> int: ...

    def feed(self, payload: bytes) -> bool | None:
        """
        Take the next μ-law of the track; any length, silence put in for lost audio included.

        Returns:
            ``True`` if speech has begun, ``False`` if it has stopped, ``None`` if nothing has changed
            between the payload's beginning and its end.

        """
        ...


class EnergyDetector:
    """
    A ``SpeechDetector`` by energy.

    Speech at 20 dB above the noise is reported within 60 ms, its end 500 ms after it. Tones and noise that
    do not waver end as speech after 1.5 s, noise that rose during speech 4 s after it, anything without a
    pause after a minute.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._is_speaking = False
        self._silent_steps = 0
        # The line while nobody speaks
        self._noise_dbfs = _QUIETEST_DBFS
        self._waver_db = 0.0
        self._margin_db = _LEAST_MARGIN_DB
        self._first_steps = _FIRST_STEPS
        # What may become speech
        self._points = 0
        self._candidate_steps = 0
        # The talk that goes on, or the last one
        self._spoken_steps = 0
        self._pending_steps = 0
        self._quiet_steps = 0
        self._talk_steps = 0
        self._talk_dbfs = 0.0
        self._talk_waver_db = 0.0

    @property
    def spoken_ms(self) -> int:
        return self._spoken_steps * _STEP_MS

    def feed(self, payload: bytes) -> bool | None:
        if self._rest:
            payload = self._rest + payload
        pcm = decode_ulaw(payload)
        whole_bytes = len(pcm) // _STEP_BYTES * _STEP_BYTES
        self._rest = payload[whole_bytes // 2 :]
        was_speaking = self._is_speaking
        for at in range(0, whole_bytes, _STEP_BYTES):
            amplitude = rms(pcm[at : at + _STEP_BYTES])
            self._silent_steps = 0 if amplitude else self._silent_steps + 1
            level_dbfs = 20 * log10(amplitude) - _FULL_SCALE_DB if amplitude > _QUIETEST else _QUIETEST_DBFS
            if self._is_speaking:
                self._follow(level_dbfs)
            else:
                self._wait(level_dbfs)
        return None if self._is_speaking is was_speaking else self._is_speaking

    def _wait(self, level_dbfs: float) -> None:
        """One step while nobody speaks."""
        above_db = level_dbfs - self._noise_dbfs
        margin_db = self._margin_db
        if above_db > margin_db:
            self._candidate_steps += 1
            self._points += 2 if above_db > margin_db + _CLEAR_DB else 1
            if self._points >= _ENOUGH:
                self._start()
                return
        elif self._points:
            self._candidate_steps += 1
            self._points -= _LOSS
            if self._points <= 0:
                self._points = self._candidate_steps = 0
        if not 0 < self._silent_steps <= _LOST_STEPS:
            self._learn(above_db, margin_db)

    def _learn(self, above_db: float, margin_db: float) -> None:
        """Follow the noise. A step counts for no more than the margin, for it may belong to speech."""
        if self._first_steps:
            if self._learn_first(above_db):
                return
        elif above_db > margin_db:
            above_db = margin_db
        rate = _MEAN_RATE if above_db > -_FALL_DB else _FALL_RATE
        self._noise_dbfs += rate * above_db
        if self._noise_dbfs < _QUIETEST_DBFS:
            self._noise_dbfs = _QUIETEST_DBFS
        deviation_db = above_db if above_db > 0 else -above_db
        if deviation_db > margin_db:
            deviation_db = margin_db
        waver_db = self._waver_db + _WAVER_RATE * (deviation_db - self._waver_db)
        self._waver_db = waver_db
        margin_db = waver_db * _WAVERINGS
        if margin_db < _LEAST_MARGIN_DB:
            margin_db = _LEAST_MARGIN_DB
        elif margin_db > _MOST_MARGIN_DB:
            margin_db = _MOST_MARGIN_DB
        self._margin_db = margin_db

    def _learn_first(self, above_db: float) -> bool:
        """Learn the noise of a new call, unless this step is too loud to be noise."""
        is_very_first = self._first_steps == _FIRST_STEPS
        self._first_steps -= 1
        if self._noise_dbfs + above_db > _LOUDEST_FIRST_DBFS:
            return False
        self._noise_dbfs += above_db if is_very_first else _FIRST_RATE * above_db
        return True

    def _start(self) -> None:
        self._is_speaking = True
        self._spoken_steps = self._candidate_steps
        self._points = self._candidate_steps = 0
        self._pending_steps = self._quiet_steps = self._talk_steps = 0

    def _follow(self, level_dbfs: float) -> None:
        """One step of speech, or of the silence that may end it."""
        self._pending_steps += 1
        if level_dbfs - self._noise_dbfs > self._margin_db - _CLEAR_DB:
            self._spoken_steps += self._pending_steps
            self._pending_steps = 0
            if self._quiet_steps:
                self._quiet_steps = max(0, self._quiet_steps - _LOUD_WEIGHT)
        else:
            self._quiet_steps += 1
            if self._quiet_steps >= _QUIET_STEPS:
                self._is_speaking = False
                return
        if self._silent_steps:
            return
        self._talk_steps += 1
        rate = 1 / self._talk_steps if self._talk_steps < _TALK_STEPS else _TALK_RATE
        above_db = level_dbfs - self._talk_dbfs
        self._talk_dbfs += rate * above_db
        self._talk_waver_db += rate * ((above_db if above_db > 0 else -above_db) - self._talk_waver_db)
        if self._talk_steps >= _STEADY_STEPS and (
            self._talk_waver_db < _STEADY_WAVER_DB or self._talk_steps >= _LONGEST_STEPS
        ):
            self._is_speaking = False
            self._noise_dbfs, self._waver_db = self._talk_dbfs, self._talk_waver_db
