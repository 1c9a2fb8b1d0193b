"""From an imzML file to ion images: numpy only, no torch, no Qt."""
