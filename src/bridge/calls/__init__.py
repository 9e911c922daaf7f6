"""What every room may name: the call, its events, its record."""
