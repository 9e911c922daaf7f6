"""A call from its request to its end: life cycle, verbs, and the exchange that owns them all."""
