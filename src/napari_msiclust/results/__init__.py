"""From clusters of ions to tables, images, evidence and files; no Qt."""
