"""The napari side: readers, writers, sample data, layers, widgets. No arithmetic here."""
