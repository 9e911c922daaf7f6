"""Phones, and the line that carries their audio."""
