"""`python -m napari_msiclust` is the command line."""

from napari_msiclust.cli import main

main()
