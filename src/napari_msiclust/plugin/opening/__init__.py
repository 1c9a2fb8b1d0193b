"""Opening a mass spectrometry imaging file in a viewer: in a thread beside the window, or at once."""
