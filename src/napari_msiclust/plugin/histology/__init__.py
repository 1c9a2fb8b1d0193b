"""Registration and readout in napari: layers in, layers out."""
