"""Typed options and YAML keys: taken as they are written, or refused in one sentence; imports nothing of ours."""
