"""Projects: a result with its corrections, registration and links to its data, in one file or folder."""
