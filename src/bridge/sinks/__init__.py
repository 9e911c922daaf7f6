"""Sinks: what is done with a call's audio. The interface, the registry, and those that ship."""
