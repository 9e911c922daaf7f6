"""Pure audio: codecs, files, tones, levels. No I/O of its own, no event loop."""
