"""The workbench: one dock in four steps, from a file to corrected clusters."""
