"""Views of ions and clusters; each draws a session and its selection, and holds no arithmetic."""
