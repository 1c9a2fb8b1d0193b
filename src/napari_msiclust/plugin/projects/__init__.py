"""Projects in napari: saved, opened, kept as one works."""
