"""The wire: HTTP requests to operations with validated members, and back, driven by AWS's own service models."""
