"""
Answers the keypad: each digit is played back as its tones, and ``#`` hangs up.

bridge serve --sink examples/digits.py:digits
"""

from __future__ import annotations

from bridge import Call, DigitPressed, sink


@sink("digits")
async def digits(call: Call, *, last: str = "#") -> None:
    """Echo digits until ``last`` is pressed."""
    async for event in call.events():
        if isinstance(event, DigitPressed):
            if event.digit == last:
                await call.hangup(after_played=True)
                return
            await call.clear()  # a new digit interrupts the one that still plays
            await call.send_digits(event.digit)
