"""Licence plates: formats, reading, the code under the noise, and a new plate in the picture."""
