"""Widgets; each is a view of state that lives elsewhere."""
