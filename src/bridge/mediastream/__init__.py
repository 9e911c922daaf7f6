"""Twilio's Media Streams protocol without I/O: both ends, as values."""
