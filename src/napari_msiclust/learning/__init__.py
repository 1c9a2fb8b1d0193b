"""From ion images to clusters of ions: torch and scikit-learn, no Qt."""
