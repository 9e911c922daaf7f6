"""One live call, from its socket's first message to its last."""
