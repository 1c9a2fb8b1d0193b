"""Methods side by side on one experiment: simple ones that learn nothing, and the presets."""
