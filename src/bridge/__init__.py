"""Phone calls into Python: Twilio Media Streams in, PCM out."""
