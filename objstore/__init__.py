"""An S3-compatible object store: names in a mirrored catalog, bytes erasure-coded across drives."""

__version__ = "0.1.0"
