"""Tools, toolboxes, and how they run."""
