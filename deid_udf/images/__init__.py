"""Image files: what is read within limits, and what is written back with everything but the regions unchanged."""
