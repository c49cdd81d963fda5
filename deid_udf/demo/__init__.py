"""Synthetic streets for the demo: drawn walls, roads, cars and plates, and people who do not exist."""
