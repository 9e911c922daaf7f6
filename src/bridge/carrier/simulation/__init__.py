"""Many incoming calls at once, measured: what `bridge simulate` runs."""
